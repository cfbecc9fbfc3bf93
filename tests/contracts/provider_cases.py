"""Case files of payment providers, and an operator that answers as they say."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import httpx
import respx

import payments.providers
from gateway.runtime.discovery import discover
from gateway.values.money import Money, parse_amount
from payments.http_call import AnswerLost, Connections, Timeouts, Unreached
from payments.provider import Collection, Disbursement, PaymentProvider, Purpose, Redirect, Reversed

REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
OUTGOING_REFERENCE = UUID("7f1c2d3e-4b5a-4c6d-8e7f-9a0b1c2d3e4f")
PAYER = "+2250501020304"
REGISTRATIONS = discover(payments.providers)


def case_files() -> dict[str, Path]:
    """Case files of providers by code: ours, and those in the folder of the same name in any directory of `sys.path`,
    where a provider of its own may bring one."""
    places = (*sys.path, str(Path(__file__).parents[2]))
    folders = dict.fromkeys(Path(place).resolve() / "tests" / "payments" / "cases" for place in places)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.json"))}


@cache
def read_file(code: str) -> Mapping[str, Any]:
    """The case file of a provider."""
    found: dict[str, Any] = json.loads(case_files()[code].read_text())
    return found


def token_turn(file: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], httpx.Response]]:
    """The exchange that gives a token, where the operator has one; others are called with a fixed key."""
    return [(file["token"]["request"], response(file["token"]["answer"]))] if "token" in file else []


def build(code: str, changes: Mapping[str, Any] | None = None) -> PaymentProvider:
    """The provider as the container builds it, from the settings in its case file and what a case changes."""
    registration = REGISTRATIONS[code]
    settings = {**read_file(code)["settings"], **(changes or {})}
    built: PaymentProvider = registration.build(registration.settings.model_validate(settings))
    return built


def collection(code: str, given: Mapping[str, Any]) -> Collection:
    """A stored payment, with what a case says about it."""
    values: dict[str, Any] = {
        "reference": REFERENCE,
        "country": "CI",
        "order_code": "SPV7K2QM0123",
        "description": "5 votes pour Aya Koné n° 07 & Star d'Abidjan",
        "language": "fr",
        "callback_url": f"https://vote.example/api/webhooks/{code}/word-of-this-payment",
        "return_url": "https://vote.example/v/1",
        "payer": PAYER,
        "amount": "500 XOF",
        **read_file(code).get("given", {}),
        **given,
    }
    return Collection(**{**values, "amount": read_money(values["amount"])})


def disbursement(code: str, given: Mapping[str, Any]) -> Disbursement:
    """Money on its way out, with what a case says about it; `collection`: of what a refund gives back."""
    collected = given.get("collection")
    values: dict[str, Any] = {
        "reference": OUTGOING_REFERENCE,
        "purpose": "payout" if collected is None else "refund",
        "country": "CI",
        "amount": "500 XOF",
        "description": "Rendu : 5 votes pour Aya Koné & Co",
        "callback_url": f"https://vote.example/api/webhooks/{code}/word-of-this-payment",
        "payee": PAYER,
        **given,
        "collection": None if collected is None else collection(code, collected),
    }
    values |= {"purpose": Purpose(values["purpose"]), "amount": read_money(values["amount"])}
    return Disbursement(**values)


def read_money(text: str) -> Money:
    """`500 XOF`."""
    amount, currency = text.split()
    money = parse_amount(amount, currency)
    assert money is not None
    return money


def response(answer: Mapping[str, Any]) -> httpx.Response:
    """The operator's answer as a case describes it."""
    headers = dict(answer.get("headers", {}))
    if "content_type" in answer:
        headers["Content-Type"] = answer["content_type"]
    if "json" in answer:
        headers.setdefault("Content-Type", "application/json")
        return httpx.Response(answer["status"], headers=headers, content=json.dumps(answer["json"]).encode())
    return httpx.Response(answer["status"], headers=headers, content=answer.get("text", "").encode())


def key(request: Mapping[str, Any]) -> tuple[str, str]:
    """What tells one kind of call from another."""
    return request["method"], request["path"]


@contextmanager
def operator(
    *answers: tuple[Mapping[str, Any], httpx.Response | type[Exception]],
) -> Iterator[respx.MockRouter]:
    """In place of the network: an operator that gives these answers to these calls, in this order
    for calls of one kind, the last one for ever. Any other call fails the test."""
    router = respx.MockRouter(assert_all_called=False, assert_all_mocked=True)
    by_kind: dict[tuple[str, str], list[httpx.Response | type[Exception]]] = {}
    for request, answer in answers:
        by_kind.setdefault(key(request), []).append(answer)
    for (method, path), effects in by_kind.items():
        router.route(method=method, path=path).mock(side_effect=_in_turn(effects))
    with mock.patch("payments.http_call.Connections", return_value=_Routed(router)):
        yield router


class _Routed(Connections):
    """Connections to a router."""

    def __init__(self, router: respx.MockRouter) -> None:
        super().__init__()
        self._router = router

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts, bytes_max: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        request = httpx.Request(method, url, headers=headers, content=body)
        try:
            answer = await self._router.async_handler(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreached(type(error).__name__) from error
        except httpx.TransportError as error:
            raise AnswerLost(type(error).__name__) from error
        return answer.status_code, answer.headers, answer.content


def _in_turn(effects: list[httpx.Response | type[Exception]]) -> Any:
    left = list(effects)

    def answer(request: httpx.Request) -> httpx.Response:
        effect = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(effect, httpx.Response):
            return httpx.Response(effect.status_code, headers=effect.headers, content=effect.content)
        raise effect("as ordered")

    return answer


def check_request(sent: httpx.Request, wanted: Mapping[str, Any]) -> None:
    """A call looks as the case says; what it does not mention is free."""
    assert (sent.method, sent.url.path) == key(wanted)
    if "url" in wanted:
        assert str(sent.url) == wanted["url"]
    for name, value in wanted.get("headers", {}).items():
        assert sent.headers.get(name) == value, name
    for name in wanted.get("absent", ()):
        assert name not in sent.headers, name
    if "body" in wanted:
        assert sent.content.decode() == wanted["body"]
    if "json" in wanted:
        assert json.loads(sent.content) == wanted["json"]
    if "json_has" in wanted:
        assert json.loads(sent.content).items() >= wanted["json_has"].items()


def plain(value: object) -> object:
    """A value of the interface as a case file writes it."""
    if isinstance(value, Money):
        return f"{value.plain()} {value.currency}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID | datetime):
        return str(value)
    if isinstance(value, Redirect | Reversed):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != "raw"}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value


def result_fields(result: Any) -> dict[str, object]:
    """A result as a case file writes it."""
    if result is None or isinstance(result, bool | Mapping):
        return {"value": result}
    shown = {field.name: plain(getattr(result, field.name)) for field in fields(result)}
    if "expires_at" in shown:
        shown["expires_in_seconds"] = round((result.expires_at - datetime.now(UTC)).total_seconds(), -1)
    return {"type": type(result).__name__, **shown}
