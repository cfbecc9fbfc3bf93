"""Errors of the back office are pages in the reader's language, with a way back."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.storage.engine import DatabaseUnavailable
from tests.admin.acting import AWA
from tests.admin.acting import office as office
from tests.admin.back_office import Office


def fails(error: Exception) -> Callable[..., Awaitable[object]]:
    async def raised(*_: object) -> object:
        raise error

    return raised


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", ("Page introuvable", "Pas ainsi", "Trop grand", "Une erreur de notre côté", "Service occupé")),
        ("en", ("Page not found", "Not this way", "Too large", "An error on our side", "Service busy")),
    ],
)
async def test_each_error_says_what_to_do(
    office: Office, monkeypatch: pytest.MonkeyPatch, language: str, said: tuple[str, ...]
) -> None:
    client, pages = await office.signed_in(AWA), []
    client.headers["Accept-Language"] = language
    for status, method, address, error in (
        (404, "GET", "/admin/nothing", None),
        (405, "PUT", "/admin/people", None),
        (413, "POST", "/admin/search", None),
        (500, "GET", "/admin/people", RuntimeError("it broke")),
        (503, "GET", "/admin/people", DatabaseUnavailable("it is away")),
    ):
        if error is not None:
            monkeypatch.setattr(office.people, "people", fails(error))
        sent = {"q": "x" * 100_000} if method == "POST" else None
        async with client.request(method, address, data=sent) as answer:
            assert answer.status == status
            pages.append(await answer.text())
            assert f'lang="{language}"' in pages[-1]
    for page, title in zip(pages, said, strict=True):
        assert f"<h1>{title}</h1>" in page
        assert 'href="/admin"' in page
        assert "it broke" not in page
