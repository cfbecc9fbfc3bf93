import gzip
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.contest import Candidate, CandidateStatus, ContestState
from gateway.contests.rounds import Round
from gateway.http.pages import CONTENT_SECURITY_POLICY, preferred
from leaderboard.feed import Boards, FeedSettings
from tests.demo import demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

API = "/api/contests/star/leaderboard"


@dataclass
class Here:
    service: FakeVotingService
    boards: Boards
    client: TestClient[web.Request, web.Application]

    async def text(self, path: str, **headers: str) -> str:
        answer = await self.client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return await answer.text()


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    service, boards = FakeVotingService(), Boards(FeedSettings(viewers_max=10))
    async with TestClient(TestServer(application(service, boards))) as client:
        yield Here(service, boards, client)


async def problem_of(answer: ClientResponse) -> dict[str, object]:
    assert answer.content_type == "application/problem+json"
    body: dict[str, object] = await answer.json(content_type="application/problem+json")
    return body


async def test_ranking_before_any_vote_comes_from_the_service(here: Here) -> None:
    body = await (await here.client.get(API)).json()
    assert (body["contest"], body["version"], body["totalVotes"]) == ("star", 0, 0)
    assert [e["rank"] for e in body["entries"]] == [1] * 12


async def test_ranking_follows_the_feed(here: Here) -> None:
    here.boards.update(here.service.count("07", 5))
    here.boards.update(here.service.count("02", 1))
    body = await (await here.client.get(API, params={"limit": "2"})).json()
    assert body == {
        "contest": "star",
        "version": 2,
        "totalVotes": 6,
        "entries": [
            {"rank": 1, "code": "07", "name": "Awa Ouattara", "votes": 5},
            {"rank": 2, "code": "02", "name": "Kouadio N'Guessan", "votes": 1},
        ],
    }


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "10000000000000", "ten", "1.5", "", "٣", " 3"])
async def test_a_limit_that_is_none(here: Here, limit: str) -> None:
    answer = await here.client.get(API, params={"limit": limit})
    assert answer.status == 422
    body = await problem_of(answer)
    assert body["errors"]


@pytest.mark.parametrize("limit", ["1", "12", "1000", "0007"])
async def test_a_limit_within_bounds(here: Here, limit: str) -> None:
    body = await (await here.client.get(API, params={"limit": limit})).json()
    assert len(body["entries"]) == min(int(limit), 12)


async def test_unknown_words_in_the_query_are_harmless(here: Here) -> None:
    assert (await here.client.get(API, params={"utm_source": "tv"})).status == 200


async def test_a_client_that_has_it_is_answered_not_modified_until_it_changes(here: Here) -> None:
    first = await here.client.get(API)
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"old", {tag}', "*"):
        again = await here.client.get(API, headers={"If-None-Match": known})
        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
    assert (await here.client.get(API, headers={"If-None-Match": "nonsense"})).status == 200
    here.boards.update(here.service.count("01", 1))
    assert (await here.client.get(API, headers={"If-None-Match": tag})).status == 200


async def test_any_site_may_read_the_board_but_without_credentials(here: Here) -> None:
    answers = [
        await here.client.get(API),
        await here.client.get(API, params={"limit": "0"}),
        await here.client.get("/api/contests/unknown/leaderboard"),
    ]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/api/contests/unknown/leaderboard", "/api/contests/unknown/leaderboard/events"])
async def test_unknown_contest_for_machines(here: Here, path: str) -> None:
    answer = await here.client.get(path)
    assert answer.status == 404
    body = await problem_of(answer)
    assert (body["status"], body["type"], body["title"]) == (404, "/problems/unknown_contest", "Concours inconnu")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_unknown_contest_for_people(here: Here) -> None:
    answer = await here.client.get("/c/unknown", headers={"Accept-Language": "en"})
    assert answer.status == 404
    assert answer.content_type == "text/html"
    assert "Page not found" in await answer.text()


async def test_a_withdrawn_contest_is_gone_though_its_board_was_shown(here: Here) -> None:
    assert (await here.client.get(API)).status == 200
    here.service.shown.clear()
    assert (await here.client.get(API)).status == 404
    assert "Aucun concours" in await here.text("/")


@pytest.mark.parametrize("path", ["/", "/c/star", "/c/unknown"])
async def test_pages_carry_protective_headers(here: Here, path: str) -> None:
    headers = (await here.client.get(path)).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"]
    assert {"Accept-Language", "Cookie"} <= set(headers["Vary"].split(", "))


async def test_nothing_on_a_page_needs_what_its_policy_forbids(here: Here) -> None:
    for path in ("/", "/c/star", "/c/unknown"):
        text = await here.text(path)
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", text)
        assert not re.search(r"<script(?! type=\"module\" src=\"/static/)", text)


async def test_language_is_the_query_then_the_cookie_then_the_header_then_the_contests(here: Here) -> None:
    async def language(path: str = "/c/star", **headers: str) -> str:
        found = re.search(r'<html lang="(\w+)"', await here.text(path, **headers))
        assert found is not None
        return found[1]

    assert await language() == "fr"
    assert await language(Accept_Language="en-GB,fr;q=0.5") == "en"
    assert await language(Accept_Language="en", Cookie="lang=fr") == "fr"
    assert await language("/c/star?lang=en", Accept_Language="fr", Cookie="lang=fr") == "en"
    assert await language("/c/star?lang=xx", Cookie="lang=zz") == "en", "the cookie of the visit before"
    here.client.session.cookie_jar.clear()
    here.service.shown[0] = replace(here.service.shown[0], language="en")
    assert await language(Accept_Language="de") == "en"


async def test_a_chosen_language_is_remembered(here: Here) -> None:
    answer = await here.client.get("/c/star", params={"lang": "en"})
    cookie = answer.cookies["lang"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("en", "Lax", True)
    assert "lang" not in (await here.client.get("/c/star", params={"lang": "<script>"})).cookies


async def test_the_language_link_stays_on_the_page(here: Here) -> None:
    assert 'href="?lang=en"' in await here.text("/c/star", Accept_Language="fr")
    assert 'href="?from=%22tv&amp;lang=en"' in await here.text("/?from=%22tv", Accept_Language="fr")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("de", None),
        ("fr", "fr"),
        ("fr;q=0", None),
        ("fr;q=0.2, en;q=0.9", "en"),
        ("en;q=often, fr;q=0.1", "fr"),
        (";;,=,", None),
        ("EN-us", "en"),
    ],
)
def test_accept_language(header: str, language: str | None) -> None:
    assert preferred(header, {"fr", "en"}) == language


async def test_page_works_without_script(here: Here) -> None:
    here.service.count("07", 4950)
    here.boards.update(here.service.count("02", 50))
    text = await here.text("/c/star", Accept_Language="fr")
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in text
    assert text.index("Awa Ouattara") < text.index("Kouadio N&#39;Guessan") < text.index("Aya Koné")
    assert "4\u202f950" in text
    assert "99,0\u202f%" in text
    assert 'href="/c/star/07"' in text


async def test_page_says_how_to_vote(here: Here) -> None:
    text = await here.text("/c/star", Accept_Language="en")
    for part in (
        "*789#",
        "*789*07*5*1#",
        "tel:*789*07*5*1%23",
        "VOTE 07 5",
        "7890",
        "100\u00a0FCFA",
        "31 December 2027",
    ):
        assert part in text, part
    assert "Clôture le 31 décembre 2027 à 23:59\u00a0GMT" in await here.text("/c/star", Accept_Language="fr")


async def test_a_contest_without_numbers_names_none(here: Here) -> None:
    star = here.service.shown[0]
    for one, gone, kept in (
        (replace(star, service_code="", _by_code={}), "*789", "VOTE 07 5"),
        (replace(star, short_code="", _by_code={}), "7890", "*789*07*5*1#"),
    ):
        here.service.shown[0] = one
        text = await here.text("/c/star", Accept_Language="en")
        assert gone not in text
        assert kept in text
        assert 'href="tel:"' not in text
        assert 'href="sms:?' not in text
    here.service.shown[0] = replace(star, service_code="", short_code="", _by_code={})
    assert "Dial" not in await here.text("/c/star", Accept_Language="en")


async def test_times_are_told_by_the_clocks_of_the_contest(here: Here) -> None:
    here.service.shown[0] = replace(here.service.shown[0], time_zone="Africa/Douala", _by_code={})
    assert "Clôture le 1er janvier 2028 à 00:59\u00a0GMT+1" in await here.text("/c/star", Accept_Language="fr")


async def test_only_what_is_published_is_listed(here: Here) -> None:
    here.service.shown[0] = replace(here.service.shown[0], state=ContestState.ARCHIVED, _by_code={})
    assert "/c/star" not in await here.text("/")
    assert "Voting is closed" in await here.text("/c/star", Accept_Language="en")


async def test_a_shared_short_code_needs_the_contests_own_word(here: Here) -> None:
    here.service.shown.append(replace(here.service.shown[0], slug="miss", keyword="MISS"))
    assert "STAR 07 5" in await here.text("/c/star")


async def test_page_changes_with_votes_time_and_contest(here: Here) -> None:
    before = await here.text("/c/star", Accept_Language="en")
    assert 'data-live="Live"' in before
    assert await here.text("/c/star", Accept_Language="en") == before
    here.boards.update(here.service.count("03", 7))
    assert '<span class="count">7</span>' in await here.text("/c/star", Accept_Language="en")
    here.service.shown[0] = replace(here.service.shown[0], name="Star <Abidjan>")
    assert "Star &lt;Abidjan&gt;" in await here.text("/c/star", Accept_Language="en")
    here.service.instant = datetime(2028, 1, 1, tzinfo=UTC)
    closed = await here.text("/c/star", Accept_Language="en")
    assert 'data-live="Voting is closed"' in closed
    assert "tel:" not in closed
    assert "/c/star/03" not in closed
    here.service.instant = datetime(2025, 1, 1, tzinfo=UTC)
    assert "Voting is not open yet. Come back 1 January 2026, 00:00" in await here.text("/c/star", Accept_Language="en")


async def test_a_withdrawn_candidate_stays_on_the_board_without_a_link(here: Here) -> None:
    here.service.count("02", 1)
    contest = here.service.shown[0]
    gone = [
        Candidate(c.id, c.code, c.name, CandidateStatus.WITHDRAWN) if c.code == "02" else c for c in contest.candidates
    ]
    here.service.shown[0] = replace(contest, candidates=tuple(gone), _by_code={})
    text = await here.text("/c/star")
    assert "Kouadio" in text
    assert "/c/star/02" not in text
    assert "/c/star/03" in text


async def test_who_was_evicted_is_below_the_ranking_and_stays_in_the_total(here: Here) -> None:
    here.service.count("02", 7)
    here.service.count("03", 2)
    contest, at = here.service.shown[0], datetime(2026, 6, 1, 20, 0, tzinfo=UTC)
    evicted = [
        replace(c, status=CandidateStatus.EVICTED, evicted_at=at) if c.code == "02" else c for c in contest.candidates
    ]
    here.service.shown[0] = replace(contest, candidates=tuple(evicted), _by_code={})
    board = await (await here.client.get("/api/contests/star/leaderboard")).json()
    assert board["totalVotes"] == 9
    assert [(one["code"], one["rank"]) for one in board["entries"][:2]] == [("03", 1), ("01", 2)]
    assert "02" not in {one["code"] for one in board["entries"]}
    (gone,) = board["evicted"]
    assert (gone["code"], gone["votes"], gone["evictedAt"]) == ("02", 7, "2026-06-01T20:00:00+00:00")
    text = await here.text("/c/star", Accept_Language="en")
    assert text.index("Evicted") < text.index('href="/c/star/02"')
    assert "evicted on 1 June 2026, 20:00" in text


def with_rounds(here: Here, *, reopens_at: datetime | None = None) -> None:
    """A first round that is over, and a second one; the second begins at `reopens_at`, or has begun."""
    now, hour = here.service.now(), timedelta(hours=1)
    second = (now - hour, now + hour) if reopens_at is None else (reopens_at, reopens_at + hour)
    rounds = (Round(1, "Demi-finale", now - 3 * hour, now - 2 * hour), Round(2, "Finale", *second))
    here.service.shown[0] = replace(here.service.shown[0], rounds=rounds, reopens_at=reopens_at, _by_code={})
    here.service.scores |= {"07": 100, "1:07": 5, "1:08": 2, "2:03": 1}


async def test_the_ranking_is_that_of_the_round_and_earlier_ones_stay(here: Here) -> None:
    with_rounds(here)
    now = await (await here.client.get(API)).json()
    assert (now["round"], now["totalVotes"]) == ({"number": 2, "name": "Finale"}, 1)
    answer = await here.client.get(API, params={"round": "1", "limit": "2"})
    before = await answer.json()
    assert (before["round"], before["totalVotes"]) == ({"number": 1, "name": "Demi-finale"}, 7)
    assert [(one["code"], one["votes"]) for one in before["entries"]] == [("07", 5), ("08", 2)]
    assert await (await here.client.get(API, params={"round": "2"})).json() == now
    known = {"If-None-Match": answer.headers["ETag"]}
    assert (await here.client.get(API, params={"round": "1", "limit": "2"}, headers=known)).status == 304


@pytest.mark.parametrize(
    ("number", "status"), [("3", 404), ("20", 404), ("21", 422), ("0", 422), ("x", 422), ("", 422)]
)
async def test_a_round_that_has_not_begun_has_no_ranking(here: Here, number: str, status: int) -> None:
    with_rounds(here)
    answer = await here.client.get(API, params={"round": number})
    assert (answer.status, (await problem_of(answer))["status"]) == (status, status)
    assert (await here.client.get("/c/star", params={"round": number})).status == 404


async def test_a_contest_without_rounds_has_none_to_read(here: Here) -> None:
    assert (await here.client.get(API, params={"round": "1"})).status == 404
    assert (await here.client.get("/c/star", params={"round": "1"})).status == 404


async def test_the_page_of_an_earlier_round_leads_to_the_present_one(here: Here) -> None:
    with_rounds(here)
    text = await here.text("/c/star", Accept_Language="en")
    assert 'href="/c/star?round=1"' in text
    past = await here.text("/c/star?round=1", Accept_Language="en")
    assert "Final ranking of the round" in past
    assert 'href="/c/star"' in past
    assert "Fatou" in past
    answer = await here.client.get("/c/star?round=2", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/c/star")


async def test_between_rounds_the_page_says_when_the_next_one_opens(here: Here) -> None:
    opens = here.service.now() + timedelta(hours=5)
    with_rounds(here, reopens_at=opens)
    text = await here.text("/c/star", Accept_Language="en")
    assert f'datetime="{opens.isoformat()}">Opens' in text
    assert "Demi-finale" in text
    assert "Finale</" not in text.replace("Demi-finale", "")


async def test_the_bot_stands_under_how_to_vote_once_its_name_is_known() -> None:
    service, boards, known = FakeVotingService(), Boards(), [""]
    async with TestClient(TestServer(application(service, boards, lambda: known[0]))) as client:
        assert "Par Telegram" not in await (await client.get("/c/star")).text()
        known[0] = "https://t.me/star_bot"
        text = await (await client.get("/c/star")).text()
        assert 'href="https://t.me/star_bot"' in text
        assert "@star_bot</a>" in text


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("aide@star.ci", '<a class="plain" href="mailto:aide@star.ci">aide@star.ci</a>'),
        ("+225 05 01 02 03 04", '<a class="plain" href="tel:+2250501020304">+225 05 01 02 03 04</a>'),
        ("https://star.ci/aide", '<a class="plain" href="https://star.ci/aide">https://star.ci/aide</a>'),
        ("javascript:alert(1)@x.y", "<b>javascript:alert(1)@x.y</b>"),
        ("<b>aide</b> 0501", "<b>&lt;b&gt;aide&lt;/b&gt; 0501</b>"),
    ],
)
async def test_rules_and_contact_stand_on_the_page(here: Here, contact: str, shown: str) -> None:
    rules = {"fr": "Le plus de votes gagne <3."}
    here.service.shown[0] = replace(here.service.shown[0], rules=rules, contact=contact, _by_code={})
    text = await here.text("/c/star", Accept_Language="en")
    assert "Le plus de votes gagne &lt;3." in text  # its own language where the reader's is missing
    assert "paid at most 10 min after it still counts" in text
    assert shown in text


async def test_a_candidate_without_a_vote_has_no_place(here: Here) -> None:
    assert re.findall(r'class="rank">([^<]*)<', await here.text("/c/star")) == ["–"] * 12
    here.boards.update(here.service.count("05", 3))
    assert re.findall(r'class="rank">([^<]*)<', await here.text("/c/star")) == ["1", *["–"] * 11]


async def test_the_list_of_contests_names_who_leads(here: Here) -> None:
    assert "In the lead" not in await here.text("/", Accept_Language="en")
    here.boards.update(here.service.count("05", 3))
    text = await here.text("/", Accept_Language="en")
    assert "Fatou Bamba" in text
    assert 'href="/c/star"' in text


async def test_pages_are_packed_for_who_unpacks(here: Here) -> None:
    packed = await here.client.get("/c/star", headers={"Accept-Encoding": "gzip"})
    plain = await here.client.get("/c/star", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert await packed.text() == await plain.text()


async def test_static_files_are_kept_for_long_under_an_address_of_their_content(here: Here) -> None:
    text = await here.text("/c/star")
    addresses = re.findall(r"/static/[\w.]+", text)
    assert len(addresses) == 4
    for address in addresses:
        answer = await here.client.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert re.match(r"text/(css|javascript); charset=utf-8", answer.headers["Content-Type"])
    for wrong in ("/static/site.css", "/static/site.0000000000.css", "/static/..%2Fpages.py"):
        assert (await here.client.get(wrong)).status == 404


async def test_weight_on_the_wire(here: Here) -> None:
    here.boards.update(here.service.count("07", 4950))
    total = 0
    text = await here.text("/c/star")
    for address in ["/c/star", *re.findall(r"/static/[\w.]+", text)]:
        answer = await here.client.get(address, headers={"Accept-Encoding": "gzip"})
        size = len(gzip.compress(await answer.read()))
        assert size <= {"js": 4096, "css": 5120}.get(address.rpartition(".")[2], 6000)
        total += size
    assert total <= 14_000 - 1_500, "headers and the stream's first frame need room too"


async def test_photos_add_little_to_the_page(here: Here) -> None:
    bare = len(gzip.compress((await here.text("/c/star")).encode()))
    people = tuple(
        replace(c, photo_url=f"https://res.cloudinary.com/star-ci/image/upload/v1763700{c.code}/star/{c.id}.jpg")
        for c in demo_contest().candidates
    )
    here.service.shown = [replace(demo_contest(), candidates=people, _by_code={})]
    text = await here.text("/c/star")
    assert text.count("/upload/c_fill,f_auto,g_auto,h_96,q_auto,w_96/v") == 12
    assert len(gzip.compress(text.encode())) - bare <= 12 * 60
    assert "https://res.cloudinary.com" in (await here.client.get("/c/star")).headers["Content-Security-Policy"]


async def test_candidates_are_shown_by_category(here: Here) -> None:
    assert "/categories" not in await here.text("/c/star")
    for path in ("/c/star/categories", "/c/nothing/categories"):
        assert (await here.client.get(path)).status == 404
    (contest,) = here.service.shown
    people = tuple(replace(c, category="Chant" if c.code < "07" else "") for c in contest.candidates)
    here.service.shown = [replace(contest, candidates=people, categories=("Chant",), _by_code={})]
    here.boards.update(here.service.count("09", 5))
    assert 'href="/c/star/categories"' in await here.text("/c/star")
    page = await here.text("/c/star/categories", Accept_Language="en")
    titles = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert titles[:2] == ["Chant", "Without a category"]
    assert page.index("Aya Koné") < page.index("Without a category") < page.index("Adjoua Brou")


async def test_an_earlier_round_is_shown_by_category(here: Here) -> None:
    with_rounds(here)
    (contest,) = here.service.shown
    people = tuple(replace(c, category="Chant" if c.code == "05" else "Danse") for c in contest.candidates)
    here.service.shown = [replace(contest, candidates=people, categories=("Chant", "Danse"), _by_code={})]
    assert 'href="/c/star/categories?round=1"' in await here.text("/c/star?round=1")
    now = await here.text("/c/star/categories", Accept_Language="en")
    assert 'href="/c/star/categories?round=1"' in now
    past = await here.text("/c/star/categories?round=1", Accept_Language="en")
    assert 'href="/c/star?round=1">' in past
    assert [int(votes) for votes in re.findall(r'class="count">(\d+)', past)] != [
        int(votes) for votes in re.findall(r'class="count">(\d+)', now)
    ]
    for number in ("9", "x"):
        assert (await here.client.get("/c/star/categories", params={"round": number})).status == 404


async def test_a_contest_that_was_called_off_says_so(here: Here) -> None:
    (contest,) = here.service.shown
    here.service.shown = [replace(contest, state=ContestState.ARCHIVED, _by_code={})]
    assert "was called off" in await here.text("/c/star", Accept_Language="en")
