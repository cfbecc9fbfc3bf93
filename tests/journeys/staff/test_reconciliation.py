"""A day with faults, and every franc of it explained: operators' statements and balances against the book."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from gateway.cli.failures import MISUSED
from gateway.cli.staff.api import SESSION_FILE
from payments.ledger.audit import INVARIANTS
from tests.country import Country, until
from tests.engines import run_apart, temporary_home
from tests.gateway.cli.staff import PASSWORD, hire
from tests.journeys.staff.test_refunds import ASKER, CHECKER, refunded
from tests.journeys.test_votes import final, initiate, receipt_in

pytestmark = pytest.mark.journey
WHY = ("--reason", "a journey")
SETTINGS = {
    "SPOTLIGHT_BENEFICIARY_DELAY_HOURS": "0",
    "MTN_MOMO_STATUS_PER_SECOND": "100",
    "SPOTLIGHT_PASSWORD": PASSWORD,
    "SPOTLIGHT_CODE": "",
}
BY_PHONE = ("+2250522220100", "+2250522220101", "+237671222203", "+237691222204")
ACCOUNTS = {
    "mtn_momo": "mtn_momo",
    "mtn_momo@cm": "mtn_momo",
    "orange_money": "orange_money",
    "orange_money_cm": "orange_money_cm",
    "wave": "wave",
}
GOOD_DAY: dict[str, Any] = {
    "callback": {"mode": "once", "delay_ms": 0},
    "status": {"http_503_seconds": 0},
    "request": {"drop_after": False, "error_500": "", "error_500_registered": False},
}


@pytest.fixture(scope="module")
def till() -> Iterator[Country]:
    """A country of its own: what other journeys leave open would be on its statements too."""
    with temporary_home("spotlight-till-") as home:
        running = Country(
            home / "data",
            **SETTINGS,
            SPOTLIGHT_PROMPT_DELAY_SECONDS="1",
        ).start()
        try:
            run_apart(hire(running.environment()["DATABASE_URL"], ASKER, CHECKER))
            yield running
        finally:
            running.stop()


def asked(country: Country, query: str, *values: Any) -> list[Any]:
    """What the database answers."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(country.environment()["DATABASE_URL"])
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    return run_apart(ask())


def ran(country: Country, *arguments: str, status: int = 0, who: str = ASKER) -> str:
    """What a command prints."""
    session = country.home / SESSION_FILE
    if not session.exists() or json.loads(session.read_text())["email"] != who:
        country.login(who, PASSWORD)
    done = country.run(*arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status < MISUSED else done.stderr


def balances(country: Country, *, status: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(ran(country, "reconcile", "balances", "--json", status=status))
    return {(each["account"], each["wallet"]): each for each in found}


def broken(country: Country) -> set[str]:
    """What statements say against the book, were they a day old."""
    queries = {name: query.replace("interval '24 hours'", "interval '0'") for name, query in INVARIANTS.items()}
    return {name[:2] for name, query in queries.items() if name.startswith("R") and asked(country, query)}


def by_api(country: Country, many: int, first: int, *, contest: str = "star") -> list[str]:
    """Votes that are asked for; their numbers begin with `first`."""
    prefix = "+22505" if contest == "star" else "+2376"
    wanted = {"contest": contest, "candidateCode": "01", "paymentMethod": None}
    return [
        initiate(country, **wanted, quantity=n + 1, voterPhone=f"{prefix}{first + n:08d}")["voteId"]
        for n in range(many)
    ]


def counted(country: Country, votes: list[str]) -> None:
    assert [final(country, vote)["status"] for vote in votes] == ["COMPLETED"] * len(votes)


def paid_past_us(country: Country, number: str, amount: int) -> None:
    """Another program uses the same account at MTN with another till."""
    values = country.environment()
    api, key = "/mtn_momo/collection", {"Ocp-Apim-Subscription-Key": values["MTN_MOMO_SUBSCRIPTION_KEY"]}
    user = (values["MTN_MOMO_API_USER"], values["MTN_MOMO_API_KEY"])
    token = country.sandbox.post(f"{api}/token/", auth=user, headers=key).raise_for_status().json()["access_token"]
    headers = {
        **key,
        "Authorization": f"Bearer {token}",
        "X-Reference-Id": str(uuid4()),
        "X-Target-Environment": values["MTN_MOMO_TARGET_ENVIRONMENT"],
    }
    body = {
        "amount": str(amount),
        "currency": "XOF",
        "externalId": "till-2",
        "payer": {"partyIdType": "MSISDN", "partyId": number[1:]},
        "payerMessage": "till",
        "payeeNote": "till",
    }
    country.sandbox.post(f"{api}/v1_0/requesttopay", json=body, headers=headers).raise_for_status()


def taken(country: Country, many: int) -> bool:
    """Whether MTN has taken the money of so many payments."""
    return len(country.statement()) == many


def approved(country: Country, command: str, *ask: str) -> str:
    """Asked for by one person and agreed to by another."""
    request = re.search(r"request ([0-9a-f-]{36})", ran(country, command, "ask", *ask, *WHY))
    assert request
    return ran(country, command, "approve", request[1], who=CHECKER)


def resolved(country: Country, difference: int, *end: str) -> None:
    """A decision about a difference, by two persons."""
    request = ran(country, "reconcile", "resolve", str(difference), *end, *WHY).split()[1]
    assert "1 of 1 differences decided" in ran(country, "reconcile", "approve", request, who=CHECKER)


def place(country: Country, account: str) -> str:
    """Where the organiser is paid by this account."""
    places = json.loads(ran(country, "payout", "beneficiary", "list", "demo", "--json"))
    (found,) = (str(each["id"]) for each in places if each["provider"] == account)
    return found


def test_a_fresh_country_is_even(till: Country) -> None:
    wallets = balances(till)
    assert {(a, w) for a in ("mtn_momo", "mtn_momo@cm") for w in ("collection", "disbursement")} <= wallets.keys()
    assert {each["gap_minor"] for each in wallets.values()} == {0}
    assert ran(till, "reconcile", "differences") == "nothing differs\n"
    assert "no real bank" in ran(till, "ledger", "journal")


def test_a_day_with_faults_is_counted(till: Country) -> None:
    till.control(autopay=True, mtn_momo={"fee_per_mille": 5})
    votes: list[str] = []
    # Callbacks that are lost, late, twice, or name another amount; then the operator cuts the line after it took
    # the order, says 500 though it has it, and does not answer questions for a while.
    for first, fault in (
        (22_220_200, {"callback": {"mode": "none"}}),
        (22_220_210, {"callback": {"mode": "once", "delay_ms": 1500}}),
        (22_220_220, {"callback": {"mode": "twice"}}),
        (22_220_230, {"callback": {"mode": "wrong_amount"}}),
        (22_220_240, {"request": {"drop_after": True}}),
        (22_220_250, {"request": {"error_500": "SERVICE_UNAVAILABLE", "error_500_registered": True}}),
    ):
        till.control(mtn_momo={**GOOD_DAY, **fault})
        votes += by_api(till, 2, first)
        # So many faults in a row open the circuit of the account, on a slow machine three times: 15, 30 and 60 s.
        until(partial(taken, till, len(votes)), "the operator to have the money", 150)
    # First: questions about these would open the circuit too, and orders that wait then go to another company.
    counted(till, votes)
    till.control(mtn_momo={**GOOD_DAY, "status": {"http_503_seconds": 2}})
    votes += by_api(till, 2, 22_220_260)
    until(partial(taken, till, len(votes)), "the operator to have the money")
    till.control(mtn_momo=GOOD_DAY)
    phones = [till.phone(number) for number in BY_PHONE]
    phones[0].dial("*789*03*5*1#")
    phones[1].text("7890", "VOTE 04 3")
    phones[2].dial("*780*03*4*1#")
    phones[3].text("7800", "05 2")
    for method, number in (("ORANGE_MONEY", "+2250722220108"), ("WAVE", "+2250722220109")):
        votes.append(initiate(till, candidateCode="02", paymentMethod=method, voterPhone=number)["voteId"])
    votes += by_api(till, 2, 71_222_210, contest="mboa") + by_api(till, 2, 91_222_210, contest="mboa")
    for phone in phones:
        receipt_in(phone.wait_for_text("verify"))
    counted(till, votes)
    till.control(autopay=False, autodecline=True)
    declined = by_api(till, 2, 22_220_290) + by_api(till, 1, 71_222_290, contest="mboa")
    assert [final(till, vote)["status"] for vote in declined] == ["FAILED"] * 3
    till.control(autopay=True, autodecline=False)
    assert {each["gap_minor"] for each in balances(till).values()} == {0}


def test_money_goes_back_and_out(till: Country) -> None:
    given_back = by_api(till, 1, 22_220_300) + by_api(till, 1, 71_222_300, contest="mboa")
    given_back += [
        initiate(till, candidateCode="02", paymentMethod="WAVE", voterPhone=f"+22507222203{n:02}")["voteId"]
        for n in range(2)
    ]
    counted(till, given_back)
    for vote in given_back:
        assert approved(till, "refund", final(till, vote)["receipt"]).startswith("done: ")
    for vote in given_back:
        until(partial(refunded, till, vote), "the money back")
    query = """select params->>'reference' as reference from messages_out m join payments p
      on p.reference = m.payment_reference where m.kind = 'refunded' and p.provider = 'wave'"""
    of_refunds = {line["provider_reference"] for line in till.statement("wave") if line["kind"] == "refund"}
    assert {row["reference"] for row in asked(till, query)} == of_refunds, "their own transactions"
    assert len(of_refunds) == 2
    for contest, number, account, country in (
        ("star", "0505222299", "mtn_momo", "CI"),
        ("mboa", "671222299", "mtn_momo@cm", "CM"),
    ):
        words = ("--name", "Awa", "--operator", account, "--country", country, *WHY)
        made = ran(till, "payout", "beneficiary", "add", "demo", number, *words)
        ran(till, "payout", "beneficiary", "confirm", made.split()[1], who=CHECKER)
        approved(till, "payout", contest, "all", "--to", place(till, account))
    until(lambda: not asked(till, "select 1 from payouts where status <> 'done'"), "the organiser's money")
    assert {row["currency"] for row in asked(till, "select currency from payouts")} == {"XOF", "XAF"}


def test_every_line_is_explained(till: Country, tmp_path: Path) -> None:
    paid_past_us(till, "+2250522229900", 700)
    until(lambda: any(line["external_id"] == "till-2" for line in till.statement()), "money without an order here")
    assert balances(till, status=1)["mtn_momo", "collection"]["gap_minor"] > 0
    for account, operator in ACCOUNTS.items():
        file = tmp_path / f"{operator}.csv"
        file.write_bytes(till.sandbox.get(f"/statement/{operator}.csv").raise_for_status().content)
        status = 1 if account == "mtn_momo" else 0
        words = ("reconcile", str(file), "--provider", account)
        body = json.loads(ran(till, *words, "--json", status=status))
        assert body["lines"] == body["new"] == body["matched"] + sum(body["found"].values()) > 0
        assert body["lines"] + body["elsewhere"] == len(till.statement(operator))
        assert body["found"] == ({"missing_here": 1} if account == "mtn_momo" else {})
        assert "imported before" in ran(till, *words, status=MISUSED)
    assert broken(till) == {"R1"}
    found = json.loads(ran(till, "reconcile", "differences", "--json", status=1))
    assert {each["kind"] for each in found} == {"missing_here", "balance"}
    (line,) = (each for each in found if each["kind"] == "missing_here")
    assert (line["amount_minor"], line["line"]["external_id"]) == (700, "till-2")
    assert "unexplained" in line["offered"]
    resolved(till, line["id"], "--action", "unexplained")
    for each in balances(till).values():
        # To the franc: fees are booked, nothing is on its way.
        assert each["operator_minor"] == each["book_minor"], each
    assert ran(till, "reconcile", "differences") == "nothing differs\n"
    assert broken(till) == set()
    ran(till, "audit", "money")
    assert "DOES NOT" not in ran(till, "ledger", "trial")


def test_a_line_that_the_operator_shows_twice(till: Country, tmp_path: Path) -> None:
    """A correction of the operator's: the second line's money was never there, and is taken back on paper."""
    text = till.sandbox.get("/statement/mtn_momo.csv").raise_for_status().text
    head, *lines = text.splitlines()
    # Payments that were asked for at once reach the operator in any order.
    first = next(line for line in lines if line.endswith(",collection,0"))
    file = tmp_path / "again.csv"
    file.write_text("\n".join((head, first, first)))
    output = ran(till, "reconcile", str(file), "--provider", "mtn_momo", status=1)
    assert "new difference: 1 double" in output
    assert broken(till) == {"R3"}
    ask = ("payout", "ask", "star", "all", "--to", place(till, "mtn_momo"), *WHY)
    assert "differences with operators are open" in ran(till, *ask, status=MISUSED)
    (found,) = json.loads(ran(till, "reconcile", "differences", "--json", status=1))
    end = ("--action", "returned", "--operator-reference", "CORR-1")
    resolved(till, found["id"], *end)
    assert broken(till) == set()
    assert {each["operator_minor"] - each["book_minor"] for each in balances(till).values()} == {0}
    ran(till, "audit", "money")
