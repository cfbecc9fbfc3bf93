"""Which photos pages may show, how small, and what a page's policy then allows."""

from dataclasses import replace

import pytest

from gateway.contests.contest import Candidate, CandidateStatus, Contest, Picture
from gateway.contests.pictures.photos import HOSTS_MAX, photo_of, photos_of
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


def test_an_uploaded_photo_goes_before_an_address() -> None:
    photo = photo_of(replace(person("https://img.example/a.jpg"), photo=Picture("/media/o/n", (96, 320, 960), b"x")))
    assert photo is not None
    assert photo.origin == "'self'"
    assert photo.placeholder == "data:image/webp;base64,eA=="
    assert photo.srcset == "/media/o/n-96.webp 96w, /media/o/n-320.webp 320w, /media/o/n-960.webp 960w"
    assert [photo.square(side) for side in (48, 49, 160, 500)] == [
        f"/media/o/n-{side}.webp" for side in (96, 320, 320, 960)
    ]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://res.cloudinary.com/star-ci/image/upload/o/n", "https://res.cloudinary.com"),
        ("http://127.0.0.1:8081/cloudinary/star-ci/image/upload/o/n", "http://127.0.0.1:8081"),
    ],
)
def test_an_uploaded_photo_that_another_host_delivers(address: str, origin: str) -> None:
    photo = photo_of(replace(person(None), photo=Picture(address, (96,), b"x")))
    assert photo is not None
    assert (photo.origin, photo.square(48)) == (origin, f"{address}-96.webp")


def test_our_own_host_is_not_among_the_few() -> None:
    many = contest(*(f"https://img{n}.example/a.jpg" for n in range(HOSTS_MAX)), None)
    own = replace(many.candidates[-1], photo=Picture("/media/o/n", (96,), b"x"))
    shown = photos_of(replace(many, candidates=(*many.candidates[:-1], own), _by_code={}))
    assert len(shown) == HOSTS_MAX + 1
    assert policy_with(photo.origin for photo in shown.values()).count("'self'") == CONTENT_SECURITY_POLICY.count(
        "'self'"
    )


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
