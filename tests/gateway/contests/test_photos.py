"""Which photos pages may show, how small, and what a page's policy then allows."""

from dataclasses import replace

import pytest

from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.photos import HOSTS_MAX, photo_of, photos_of
from gateway.http.pages import CONTENT_SECURITY_POLICY, policy_with
from tests.demo import candidate_id, demo_contest

CLOUDINARY = "https://res.cloudinary.com/star-ci/image/upload/v17/star/awa.jpg"


def person(photo_url: str | None, number: int = 7) -> Candidate:
    return Candidate(candidate_id(number), f"{number:02d}", "Awa", photo_url=photo_url)


def contest(*addresses: str | None) -> Contest:
    people = tuple(person(address, number) for number, address in enumerate(addresses, start=1))
    return replace(demo_contest(), candidates=people, _by_code={})


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://img.example/awa.jpg", "https://img.example"),
        ("https://IMG.example:8443/awa.jpg?v=2", "https://img.example:8443"),
        ("https://photos.télé.ci/awa.jpg", "https://photos.xn--tl-bjab.ci"),
        (None, None),
        ("http://img.example/awa.jpg", None),
        ("https://awa:word@img.example/awa.jpg", None),
        ("https://[::1]/awa.jpg", None),
        ("https://img.example:99999/awa.jpg", None),
        ("https:///awa.jpg", None),
        ("https://img_1.example/awa.jpg", None),
        ("https://*/awa.jpg", None),
        ("https://img.example;script-src/awa.jpg", None),
        ("javascript:alert(1)", None),
        ("awa.jpg", None),
    ],
)
def test_an_address_that_a_policy_can_name(address: str | None, origin: str | None) -> None:
    photo = photo_of(person(address))
    assert (photo.origin if photo else None) == origin


def test_who_does_not_stand_has_no_photo() -> None:
    gone = replace(person("https://img.example/awa.jpg"), status=CandidateStatus.WITHDRAWN)
    assert photo_of(gone) is None


@pytest.mark.parametrize(
    ("address", "small"),
    [
        (
            CLOUDINARY,
            "https://res.cloudinary.com/star-ci/image/upload/c_fill,f_auto,g_auto,h_96,q_auto,w_96/v17/star/awa.jpg",
        ),
        # Signed addresses are for exactly what they name.
        (CLOUDINARY.replace("v17", "s--ab12--/v17"), CLOUDINARY.replace("v17", "s--ab12--/v17")),
        ("https://img.example/image/upload/awa.jpg", "https://img.example/image/upload/awa.jpg"),
        ("https://img.example/aïcha.jpg", "https://img.example/a%C3%AFcha.jpg"),
        ('https://img.example/a"onload=.jpg', "https://img.example/a%22onload=.jpg"),
    ],
)
def test_a_small_square(address: str, small: str) -> None:
    photo = photo_of(person(address))
    assert photo is not None
    assert photo.square(48) == small


def test_a_page_names_few_hosts() -> None:
    many = [f"https://img{n}.example/a.jpg" for n in range(HOSTS_MAX + 1)]
    shown = photos_of(contest(*many, "https://img0.example/b.jpg", None))
    assert list(shown) == ["01", "02", "03", "04", "06"]


def test_the_policy_allows_these_hosts_pictures_and_nothing_more() -> None:
    assert policy_with(()) == CONTENT_SECURITY_POLICY
    assert policy_with(["https://res.cloudinary.com"]) == CONTENT_SECURITY_POLICY
    policy = policy_with(["https://b.example", "https://a.example", "https://b.example"])
    assert "img-src 'self' data: https://res.cloudinary.com https://a.example https://b.example;" in policy
    assert policy.count("a.example") == 1
