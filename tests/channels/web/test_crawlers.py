"""What search engines are given: the pages of contests and candidates, and nothing else."""

from dataclasses import replace
from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.web.crawlers import addresses, robots_text, site_maps
from gateway.contests.contest import CandidateStatus, ContestState
from tests.channels.web.service import PUBLIC
from tests.demo import demo_contest
from tests.rigs.public_web import application
from tests.rigs.voting_service import FakeVotingService

OURS = PUBLIC


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/", True),
        ("/c/star", True),
        ("/c/star?page=2", True),
        ("/c/star/07", True),
        ("/static/site.0123456789.css", True),
        ("/admin", False),
        ("/admin/contests/star", False),
        ("/api/contests/star/leaderboard", False),
        ("/verify/SPT-AAAA", False),
        ("/votes/0190aaaa", False),
        ("/nominations/token", False),
    ],
)
def test_what_programs_may_read(path: str, read: bool) -> None:
    parser = RobotFileParser()
    parser.parse(robots_text(OURS).splitlines())
    assert parser.can_fetch("Googlebot", OURS + path) is read
    assert parser.site_maps() == [f"{OURS}/sitemap.xml"]


def test_contests_that_are_listed_and_people_who_are_shown() -> None:
    star = demo_contest()
    changed = [replace(one, status=CandidateStatus.SUBMITTED) if one.code == "02" else one for one in star.candidates]
    shown = replace(star, candidates=tuple(changed[:3]), _by_code={})
    hidden = [replace(star, slug=state.value, state=state) for state in (ContestState.DRAFT, ContestState.ARCHIVED)]
    assert list(addresses([hidden[0], shown, hidden[1]])) == ["/c/star", "/c/star/result", "/c/star/01", "/c/star/03"]


def locations(text: str) -> list[str]:
    root = ElementTree.fromstring(text.encode())
    return [found.text or "" for found in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (2, [2]), (3, [2, 2, 1]), (4, [2, 2, 2]), (5, [3, 2, 2, 1])])
def test_an_index_where_one_file_is_too_small(count: int, sizes: list[int]) -> None:
    files = site_maps(OURS, [f"/c/a&b/{number}" for number in range(count)], most=2)
    assert [len(locations(one)) for one in files] == sizes
    listed = [one for text in files[1 if len(files) > 1 else 0 :] for one in locations(text)]
    assert listed == [f"{OURS}/c/a&b/{number}" for number in range(count)]
    if len(files) > 1:
        assert "<sitemapindex" in files[0]
        assert locations(files[0]) == [f"{OURS}/sitemap-{number}.xml" for number in range(1, len(files))]


async def test_they_are_served_and_pages_name_one_address_of_theirs() -> None:
    service = FakeVotingService(demo_contest())
    async with TestClient(TestServer(application(service))) as client:
        robots = await client.get("/robots.txt")
        assert (robots.status, robots.content_type) == (200, "text/plain")
        for headers in ({}, {"Accept-Encoding": "identity"}):
            answer = await client.get("/sitemap.xml", headers=headers)
            assert (answer.status, answer.content_type) == (200, "application/xml")
            assert len(locations(await answer.text())) == 14
        assert (await client.get("/sitemap-1.xml")).status == 404
        service.shown[0] = replace(service.shown[0], state=ContestState.ARCHIVED, _by_code={})
        assert locations(await (await client.get("/sitemap.xml")).text()) == []
        service.shown[0] = replace(service.shown[0], state=ContestState.PUBLISHED, _by_code={})
        for path in ("/", "/c/star", "/c/star/07", "/c/star/rules"):
            text = await (await client.get(f"{path}?lang=en")).text()
            assert f'<link rel="canonical" href="{OURS}{path}">' in text
