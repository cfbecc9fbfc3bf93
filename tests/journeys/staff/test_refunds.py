"""Money back, through real processes: two people on the command line, the operator, the voter's phone."""

import re
from functools import partial
from typing import Any

import asyncpg
import pytest

from tests.country import Country, until
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire
from tests.journeys.test_votes import final, initiate, receipt_in

pytestmark = pytest.mark.journey
ASKER, CHECKER = "awa@refunds.test", "yao@refunds.test"


@pytest.fixture
def staffed(country: Country) -> Country:
    run_apart(hire(country.environment()["DATABASE_URL"], ASKER, CHECKER))
    return country


def refunded(country: Country, vote_id: str) -> bool:
    found = country.gateway.get(f"/api/votes/{vote_id}").raise_for_status().json()
    return bool(found["status"] == "REFUNDED")


def agreed(country: Country, command: str, *ask: str) -> str:
    """Asked for by one person and agreed to by another; what the second one is answered."""
    country.login(ASKER, PASSWORD)
    asked = country.run(*command.split(), "ask", *ask, "--reason", "a journey")
    assert asked.returncode == 0, asked.stderr
    request = re.search(r"request ([0-9a-f-]{36})", asked.stdout)
    assert request is not None, asked.stdout
    country.login(CHECKER, PASSWORD)
    done = country.run(*command.split(), "approve", request[1])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_claim_gives_the_votes_and_the_money_back(staffed: Country) -> None:
    country, phone = staffed, staffed.phone("+2250511117001")
    before = country.votes("08")
    phone.dial("*789*08*5*1#")
    assert phone.wait_for_prompt()["amount"] == 500
    phone.approve()
    receipt = receipt_in(phone.wait_for_text("08"))
    until(lambda: country.votes("08") == before + 5, "the votes")
    assert agreed(country, "refund", receipt) == "done: 500 XOF to be refunded, 5 votes removed\n"
    until(lambda: country.votes("08") == before, "the votes to leave the public page")
    assert "MTN MoMo" in phone.wait_for_text("remboursés par")
    assert country.run("refund", "list").stdout.endswith("no refund is on its way\n")
    assert country.run("audit", "money").returncode == 0


def test_a_voided_window_gives_everybody_their_money_back(staffed: Country) -> None:
    country = staffed
    country.control(autopay=True)
    try:
        votes: list[dict[str, Any]] = [
            initiate(country, candidateCode="11", voterPhone=f"+22505111171{n:02}") for n in range(6)
        ]
        assert {final(country, vote["voteId"])["status"] for vote in votes} == {"COMPLETED"}
    finally:
        country.control(autopay=False)

    async def window() -> tuple[str, str]:
        connection = await asyncpg.connect(country.environment()["DATABASE_URL"])
        try:
            row = await connection.fetchrow(
                "select min(placed_at) as first, max(placed_at) + interval '1 microsecond' as last from votes"
                " where id::text = any($1)",
                [vote["voteId"] for vote in votes],
            )
        finally:
            await connection.close()
        assert row is not None
        return row["first"].isoformat(), row["last"].isoformat()

    first, last = run_apart(window())
    output = agreed(country, "void", "star", "--from", first, "--to", last, "--channel", "api")
    assert "6 of 6 payments, 30 votes, 3000 XOF" in output
    for vote in votes:
        until(partial(refunded, country, vote["voteId"]), "the money back")
    assert country.run("audit", "money").returncode == 0
