"""Files that staff take away: what is in them, who may, and what the audit log keeps of it."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from openpyxl import load_workbook
from sqlalchemy import text

from admin.access.rules import Role
from admin.exports.files import XLSX_TYPE
from admin.exports.month import read_month, span_of
from admin.exports.papers import certificate, result_paper
from admin.exports.result import Result
from gateway.http.pages import Pages
from gateway.values.money import Money
from leaderboard.final import final_rankings
from leaderboard.ranking import Evicted, Score, ranking_from
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import refunded
from payments.requests import Act
from payments.rollups.store import Rollups
from tests.admin.acting import AUDIT, AWA, REASON, YAO
from tests.admin.acting import office as office
from tests.admin.back_office import Office
from tests.demo import demo_contest

API = "/api/admin/contests/star/exports"
PAGE = "/admin/contests/star/exports"
ENGLISH = {"Accept-Language": "en"}


async def rows(client: ClientSession, path: str, separator: str = ";", **query: str) -> list[dict[str, str]]:
    """The lines of a file in French, or in the language of another separator."""
    headers = {} if separator == ";" else ENGLISH
    async with client.get(path, params=query, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        name = answer.headers["Content-Disposition"]
        shown = (await answer.read()).decode()
    what = path.rpartition("/")[2].removesuffix(".csv")
    assert re.fullmatch(rf'attachment; filename="spotlight-star-{what}-\d{{8}}T\d{{6}}Z.csv"', name)
    assert shown.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(shown[1:], newline=""), delimiter=separator))


async def test_orders_payments_and_the_book_leave_as_tables(office: Office) -> None:
    rig = office.rig
    order = await rig.counted()
    await rig.held(number="+2250501020305")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set name = '=cmd()' where code = '07'"))
    await office.hire(AUDIT, Role.AUDITOR, "demo", "star")
    audit, awa = await office.signed_in(AUDIT), await office.signed_in(AWA)
    for place in (API, PAGE):
        held, counted = await rows(audit, f"{place}/orders.csv")
        assert (counted["Commande"], counted["Montant"], counted["État"]) == (str(order.vote_id), "500", "compté")
        assert counted["Candidat"] == "'=cmd()", "no spreadsheet runs it"
        assert "•" in counted["Payeur"]
        assert held["Comptée le"] == ""
        (one,) = await rows(audit, f"{place}/payments.csv", state="held")
        assert (one["Reçu par nous"], one["Moyen de paiement"]) == ("500", "MTN MoMo")
        journal = await rows(audit, f"{place}/journal.csv")
        assert {line["account"] for line in journal} >= {"sales", "organiser_payable"}
        assert "operator_clearing" not in {line["account"] for line in journal}, "where money is, is the platform's"
        people = await rows(audit, f"{place}/candidates.csv", ",")
        assert [one["Code"] for one in people] == [f"{n:02}" for n in range(1, 13)]
        assert {one["Code"]: one["Votes"] for one in people}["07"] == "5"
    # Whole numbers want the right, a reason, and a proof; a reason alone is not enough.
    asked = {"reason": REASON}
    async with audit.get(f"{API}/orders.csv", params=asked) as answer:
        assert answer.status == 403
    assert (await rows(awa, f"{API}/orders.csv", **asked))[1]["Payeur"] == "'+2250501020304"
    async with awa.get("/admin/contests/star/orders") as answer:
        word = (await answer.text()).split('name="form" value="')[1].split('"')[0]
    async with awa.post(f"{PAGE}/payments.csv", data={"form": word, **asked}) as answer:
        assert "+2250501020304" in await answer.text()
    async with awa.post(f"{PAGE}/payments.csv", data={"form": word, "reason": ""}) as answer:
        assert answer.status == 422
    noted = await rig.rows("select actor, detail from audit_log where act = 'export.made' order by id desc limit 1")
    expected = {"what": "payments", "filter": "", "numbers": "whole", "reason": REASON}
    assert [(one.actor, one.detail) for one in noted] == [(AWA, expected)]
    async with audit.get("/admin/contests/star/log") as answer:
        assert "Fichier exporté" in await answer.text()
    for path, status in (
        (f"{API}/orders.csv?state=paid", 422),
        (f"{API}/orders.csv?candidate=99", 404),
        (f"{PAGE}/orders.csv?state=paid", 422),
        ("/api/admin/contests/nothing/exports/journal.csv", 404),
        ("/admin/contests/nothing/exports/candidates.csv", 404),
    ):
        async with audit.get(path) as answer:
            assert answer.status == status, path


async def test_who_is_frozen_still_takes_files_away(office: Office) -> None:
    await office.rig.counted()
    await office.hire("owner@demo.test", Role.OWNER, "demo")
    owner = await office.signed_in("owner@demo.test")
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "update organisers set state = 'frozen', state_reason = 'test', state_since = now() where slug = 'demo'"
            )
        )
    assert len(await rows(owner, f"{API}/orders.csv")) == 1
    async with owner.get(f"{API}/orders.csv", params={"reason": REASON}) as answer:
        assert answer.status == 403, "whole numbers are shown to nobody meanwhile"


async def test_a_month_is_a_workbook_that_agrees_with_the_book(office: Office) -> None:
    rig = office.rig
    await rig.counted()
    back = await rig.counted(number="+2250501020306")
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(back.payment_reference), {}, REASON, AWA)
    await rig.acts.decide(asked, YAO, approve=True)
    async with rig.engine.begin() as connection:
        legs = refunded(Money(500, "XOF"), from_float=False)
        await post(connection, [(LedgerEntry(uuid4(), rig.contest.id, "given back", legs), "mtn_momo")])
    await rig.held(number="+2250501020305")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set name = '=1+1' where code = '07'"))
    await Rollups(rig.engine).catch_up()
    owner = await office.signed_in(await office.hire("owner@demo.test", Role.OWNER, "demo"))
    month = f"{await rig.one('select now()'):%Y-%m}"
    for place in (API, PAGE):
        async with owner.get(f"{place}/month-{month}.xlsx") as answer:
            assert (answer.status, answer.content_type) == (200, XLSX_TYPE), await answer.text()
            book = load_workbook(io.BytesIO(await answer.read()))
        shown = {row[0]: row[1] for row in book["Résumé"].iter_rows(min_row=3, max_row=11, values_only=True)}
        sales: int = -await rig.one("select sum(amount_minor) from postings where account = 'sales'")
        assert sales == 500
        assert (shown["Ventes comptées (XOF)"], shown["Ventes selon le livre (XOF)"]) == (sales, sales)
        assert (shown["Différence (XOF)"], shown["Rendu aux payeurs (XOF)"]) == (0, 500)
        for sheet in ("Par jour", "Par moyen de paiement", "Par canal", "Par candidat"):
            lines = list(book[sheet].iter_rows(min_row=2, max_col=5, values_only=True))
            assert [sum(line[column] for line in lines[:-1]) for column in (1, 3, 4)] == [3, 5, sales]
        assert book["Par candidat"]["A2"].value == "07 =1+1"
        assert book["Par candidat"]["A2"].data_type == "s"
    for path, status in (
        (f"{API}/month-2026-13.xlsx", 404),
        (f"{API}/month-x.xlsx", 422),
        (f"{PAGE}/month-x.xlsx", 404),
    ):
        async with owner.get(path) as answer:
            assert answer.status == status, path


@pytest.mark.parametrize(
    ("first", "zone", "since", "until"),
    [
        (date(2026, 11, 1), "Africa/Abidjan", "2026-11-01T00:00", "2026-12-01T00:00"),
        (date(2026, 12, 1), "Africa/Douala", "2026-11-30T23:00", "2026-12-31T23:00"),
    ],
)
def test_a_month_is_one_of_the_contests_clocks(first: date, zone: str, since: str, until: str) -> None:
    assert [f"{at:%Y-%m-%dT%H:%M}" for at in span_of(first, zone)] == [since, until]


@pytest.mark.parametrize("name", ["2026-13", "1999-01", "2026", "", "2026-11-01"])
def test_what_is_no_month(name: str) -> None:
    assert read_month(name) is None


PAGES_OF = re.compile(rb"/Type /Page\b(?!s)")


async def test_a_result_and_a_certificate_are_printed_once_voting_is_over(office: Office) -> None:
    rig = office.rig
    await rig.counted()
    held = await rig.held(number="+2250501020305")
    owner = await office.signed_in(await office.hire("owner@demo.test", Role.OWNER, "demo"))

    async def got(path: str) -> tuple[int, bytes]:
        async with owner.get(path) as answer:
            return answer.status, await answer.read()

    for place, what in product((API, PAGE), ("result", "certificate")):
        assert (await got(f"{place}/{what}.pdf"))[0] == 409, "voting is not over"
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set closes_at = now() - interval '1 hour' where slug = 'star'"))
    status, provisional = await got(f"{API}/result.pdf")
    assert (status, provisional[:5], len(PAGES_OF.findall(provisional))) == (200, b"%PDF-", 1)
    assert (await got(f"{API}/certificate.pdf"))[0] == 409, "a paid order is not decided"
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set status = 'refunded' where reference = :r"), {"r": held.payment_reference}
        )
    for place in (API, PAGE):
        status, paper = await got(f"{place}/certificate.pdf")
        assert (status, paper[:5], len(PAGES_OF.findall(paper))) == (200, b"%PDF-", 1)
    assert (await got("/admin/contests/nothing/exports/result.pdf"))[0] == 404
    async with owner.get("/admin/contests/star/orders") as answer:
        assert "certificate.pdf" in await answer.text()


def test_papers_hold_whatever_names_hold() -> None:
    """Long lists go on on further pages; who shares the first place has a page each; a name is no mark-up."""
    names = ["<b>Awa & Co", "Ɔkɛ ŋ ẹ", "Ну Ли", "A" * 200, *(f"Candidate {n}" for n in range(60))]
    votes = [7, 7, *range(len(names) - 2, 0, -1)]
    votes[2:] = [min(5, n) for n in votes[2:]]
    scores = [Score(f"{n:02}", name, many) for n, (name, many) in enumerate(zip(names, votes, strict=True), start=1)]
    ranking = replace(ranking_from("star", 9, scores), evicted=(Evicted("99", "Out", 3, datetime.now(UTC)),))
    result = Result(demo_contest(), ranking, undecided=2)
    pages = Pages()
    pages.add("admin")
    for language in pages.languages:

        def say(name: str, language: str = language, **values: object) -> str:
            return pages.say(language, f"admin_result.{name}", **values)

        paper = result_paper(result, say, str, "closed", "made", "https://v.test")
        assert len(PAGES_OF.findall(paper)) == 3
        assert len(PAGES_OF.findall(certificate(result, say, str, "closed", "made", "https://v.test"))) == 2
        judged = final_rankings(
            replace(result.contest, jury_percent=40, _by_code={}), {"07": 9}, {}, {"03": 5, "07": 1}
        )
        result_by_two = replace(result, contest=replace(result.contest, jury_percent=40, _by_code={}), judged=judged[0])
        assert [one.code for one in result_by_two.winners] == ["07"]
        for made in (result_paper, certificate):
            assert len(PAGES_OF.findall(made(result_by_two, say, str, "closed", "made", "https://v.test"))) == 1
        assert not replace(result_by_two, undecided=0, unjudged=1).final
