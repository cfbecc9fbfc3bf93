"""A contest by the API: a draft that nobody sees, changed by one person at a time, published when it is sound."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import text

from admin.access.rules import Role
from gateway.orders.rules import Refusal
from tests.admin.back_office import Office, open_office, other_organiser

AWA, OTHER, READER = (f"{name}@house.test" for name in ("awa", "other", "reader"))
Call = Callable[..., Awaitable[tuple[int, Any, Any]]]


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, organiser="demo")
        yield opened


async def program(office: Office, email: str) -> Call:
    """Calls the API of contests as this person; status, document and headers."""
    client, bearer = await office.browser(), {"Authorization": f"Bearer {await office.token(email)}"}

    async def call(method: str, path: str = "", body: object = None, **headers: str) -> tuple[int, Any, Any]:
        given: dict[str, Any] = {} if body is None else {"json": body}
        address = f"/api/admin/contests{path}"
        async with client.request(method, address, headers={**bearer, **headers}, **given) as answer:
            return answer.status, await answer.json(), answer.headers

    return call


def document(slug: str = "miss", **contest: Any) -> dict[str, Any]:
    """A contest with two candidates that is open from yesterday on."""
    now = datetime.now(UTC)
    return {
        "format": "spotlight contest 1",
        "organiser": {"slug": "demo", "name": "Spotlight Démo"},
        "contest": {
            "slug": slug,
            "name": "Miss Abobo",
            "country": "CI",
            "price": {"amount_minor": 100, "currency": "XOF"},
            "opens_at": (now - timedelta(days=1)).isoformat(),
            "closes_at": (now + timedelta(days=30)).isoformat(),
            "short_code": "7890",
            "keyword": "MISS",
            "contact": "0701020304",
            **contest,
        },
        "candidates": [{"name": "Awa Koné"}, {"name": "Fatou Bamba"}],
    }


async def test_a_contest_is_made_as_a_draft_and_sells_once_it_is_published(office: Office) -> None:
    awa, rig = await program(office, AWA), office.rig
    status, made, _ = await awa("POST", "", document())
    assert (status, made["slug"], made["state"]) == (201, "miss", "draft")
    await rig.directory.refresh()
    assert rig.directory.by_slug("miss") is None
    assert rig.directory.by_short_code("7890") == (rig.contest,)
    _, listed, _ = await awa("GET")
    assert {line["slug"]: (line["phase"], line["candidates"]) for line in listed["contests"]}["miss"] == ("draft", 2)

    status, published, _ = await awa("POST", "/miss/publish")
    assert (status, published["state"]) == (200, "published")
    found = rig.directory.by_slug("miss")
    assert found is not None
    assert found.open_at(datetime.now(UTC))
    assert [line.act for line in await rig.rows("select act from audit_log order by id")][-2:] == [
        "contest.create",
        "contest.publish",
    ]
    # Publishing twice is publishing once.
    assert (await awa("POST", "/miss/publish"))[1]["version"] == published["version"]


@pytest.mark.parametrize("state", ["draft", "archived"])
async def test_only_what_is_published_is_sold_whatever_a_process_remembers(office: Office, state: str) -> None:
    rig = office.rig
    request = rig.vote_request()
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set state = :state where slug = 'star'"), {"state": state})
    assert await rig.place(request) is Refusal.CLOSED


async def test_the_document_that_is_read_is_the_one_that_is_written(office: Office) -> None:
    awa = await program(office, AWA)
    await awa("POST", "", document())
    status, read, headers = await awa("GET", "/miss")
    assert status == 200
    assert read["contest"]["time_zone"] == "Africa/Abidjan"
    assert [c["code"] for c in read["candidates"]] == ["01", "02"]
    read["contest"]["name"] = "Miss Abobo 2027"
    status, saved, after = await awa("PUT", "/miss", read, **{"If-Match": headers["ETag"]})
    assert (status, saved["version"]) == (200, 2)
    # The same again changes nothing, and what somebody else read before is too old.
    assert (await awa("PUT", "/miss", read))[1]["version"] == 2
    status, problem, _ = await awa("PUT", "/miss", read, **{"If-Match": headers["ETag"]})
    assert (status, problem["type"]) == (412, "/problems/changed_meanwhile")
    assert (await awa("PUT", "/miss", read, **{"If-Match": "rubbish"}))[0] == 412
    assert (await awa("PUT", "/miss", read, **{"If-Match": after["ETag"]}))[0] == 200
    status, problem, _ = await awa("PUT", "/star", read)
    assert (status, problem["detail"]) == (409, "the slug of a contest cannot change: make a new contest")


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"keyword": "star"}, 409, "keyword"),
        ({"slug": "star"}, 409, "slug"),
        ({"slug": "new"}, 422, "address of ours"),
        ({"language": "xx"}, 409, "no phrases in xx"),
        ({"time_zone": "Africa/Atlantis"}, 422, "no time zone"),
        ({"closes_at": "2020-01-01T00:00:00Z"}, 422, "opens after it closes"),
        ({"opens_at": "2026-01-01T00:00:00"}, 422, "timezone"),
        ({"price": {"amount_minor": 0, "currency": "XOF"}}, 422, "greater than 0"),
        ({"name": "a\x00b"}, 422, "NUL"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence_and_leaves_nothing(
    office: Office, change: dict[str, Any], status: int, word: str
) -> None:
    awa = await program(office, AWA)
    answered, problem, _ = await awa("POST", "", document(**change))
    assert answered == status
    assert word in str(problem)
    assert await office.rig.one("select count(*) from contests") == 2


async def test_a_contest_with_faults_is_not_published(office: Office) -> None:
    awa = await program(office, AWA)
    await awa("POST", "", document() | {"candidates": []})
    status, problem, _ = await awa("POST", "/miss/publish")
    assert (status, problem["type"]) == (409, "/problems/contest_has_faults")
    assert {"loc": ["candidates"], "msg": "no candidate can be voted for"} in problem["errors"]
    _, lint, _ = await awa("GET", "/miss/lint")
    assert lint["findings"][0]["level"] == "error"
    assert (await awa("GET", "/miss"))[2]["ETag"] == '"1"'


async def test_a_contest_is_closed_then_archived_and_stays_as_it_was(office: Office) -> None:
    awa, rig = await program(office, AWA), office.rig
    await awa("POST", "", document())
    for step in ("close", "archive"):
        assert (await awa("POST", f"/miss/{step}"))[0] == 409, step
    await awa("POST", "/miss/publish")
    assert (await awa("POST", "/miss/archive"))[0] == 409
    status, closed, _ = await awa("POST", "/miss/close")
    assert status == 200
    assert datetime.fromisoformat(closed["closesAt"]) <= datetime.now(UTC)
    _, read, _ = await awa("GET", "/miss")
    read["contest"]["closes_at"] = "2036-01-01T00:00:00Z"
    status, problem, _ = await awa("PUT", "/miss", read)
    assert (status, problem["detail"]) == (409, "this contest is over: its closing time cannot change")
    assert (await awa("POST", "/miss/archive"))[1]["state"] == "archived"
    found = rig.directory.by_slug("miss")
    assert found is not None
    assert not found.listed
    for step in ("publish", "close"):
        assert (await awa("POST", f"/miss/{step}"))[0] == 409, step
    assert (await awa("PUT", "/miss", (await awa("GET", "/miss"))[1]))[0] == 409


async def test_another_organisers_contests_are_unknown(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.MANAGER, organiser="other")
    other = await program(office, OTHER)
    assert (await other("GET"))[1] == {"contests": []}
    for method, path in (("GET", "/star"), ("GET", "/star/lint"), ("POST", "/star/publish"), ("POST", "/star/close")):
        status, problem, _ = await other(method, path)
        unknown = (await other(method, path.replace("star", "nowhere")))[1]
        assert (status, problem["type"]) == (404, "/problems/unknown"), path
        assert problem["detail"].replace("star", "nowhere") == unknown["detail"]
    assert (await other("PUT", "/star", document("star")))[0] == 404
    # Their own contests only for their own organiser, and not by a code that voters dial for somebody else.
    assert (await other("POST", "", document()))[0] == 404
    theirs = document(service_code="*789#") | {"organiser": {"slug": "other", "name": "Another one"}}
    status, problem, _ = await other("POST", "", theirs)
    assert (status, problem["detail"]) == (409, "another organiser's contest has this service code")
    theirs["contest"]["service_code"] = ""
    assert (await other("POST", "", theirs))[0] == 201


async def test_who_only_reads_changes_nothing(office: Office) -> None:
    await office.hire(READER, Role.SUPPORT, organiser="demo")
    reader = await program(office, READER)
    assert (await reader("GET", "/star"))[0] == 200
    for method, path in (("POST", ""), ("PUT", "/star"), ("POST", "/star/publish"), ("POST", "/star/archive")):
        body = document() if path in ("", "/star") else None
        assert (await reader(method, path, body))[0] == 403, path


async def test_a_document_of_five_thousand_candidates_is_taken_and_a_larger_one_is_not(office: Office) -> None:
    awa = await program(office, AWA)
    many = document() | {"candidates": [{"code": f"{n:04d}", "name": f"Personne {n}"} for n in range(1000, 6000)]}
    status, body = (await awa("POST", "", many))[:2]
    assert (status, body["type"]) == (409, "/problems/quota_reached")
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("""update organisers set quotas = '{"candidates": 5000}'"""))
    assert (await awa("POST", "", many))[0] == 201
    assert len((await awa("GET", "/miss"))[1]["candidates"]) == 5_000
    client, bearer = await office.browser(), {"Authorization": f"Bearer {await office.token(AWA)}"}
    headers = {**bearer, "Content-Type": "application/json"}
    async with client.post("/api/admin/contests", headers=headers, data=BytesIO(b" " * 5_000_000)) as answer:
        assert (answer.status, (await answer.json())["status"]) == (413, 413)
