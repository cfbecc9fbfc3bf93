"""What the API and the form have in common: from what was typed to a vote request, and refusals in words."""

import hashlib
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from channels.buying import read_payer
from channels.phrases import languages
from gateway.contests.contest import Contest
from gateway.http.callers import DEVICES
from gateway.http.pages import preferred
from gateway.orders.prompting import Orderer, OrdererKind
from gateway.orders.rules import Channel, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod, guess_method
from gateway.values.msisdn import Msisdn
from gateway.values.network import subject_of

CONTEST: Final = "contest"
CANDIDATE: Final = "candidateCode"
QUANTITY: Final = "quantity"
PHONE: Final = "voterPhone"
METHOD: Final = "paymentMethod"

FIELD_OF: Final[Mapping[Refusal, str]] = {
    Refusal.UNKNOWN_CONTEST: CONTEST,
    Refusal.NOT_OPEN_YET: CONTEST,
    Refusal.CLOSED: CONTEST,
    Refusal.UNKNOWN_CANDIDATE: CANDIDATE,
    Refusal.CANDIDATE_NOT_STANDING: CANDIDATE,
    Refusal.BAD_QUANTITY: QUANTITY,
    Refusal.TOO_MANY: QUANTITY,
    Refusal.BAD_NUMBER: PHONE,
    Refusal.FOREIGN_NUMBER: PHONE,
    Refusal.NO_WALLET: METHOD,
    Refusal.NOT_ITS_WALLET: METHOD,
    Refusal.METHOD_UNAVAILABLE: METHOD,
    Refusal.WALLET_DOWN: METHOD,
    Refusal.TOO_FEW: QUANTITY,
    Refusal.ASKED_TOO_OFTEN: PHONE,
}
"""The field that a refusal is about; none for what no field can mend."""

_STATUSES: Final[Mapping[Refusal, int]] = {
    Refusal.UNKNOWN_CONTEST: 404,
    Refusal.NOT_OPEN_YET: 409,
    Refusal.CLOSED: 409,
    Refusal.CANDIDATE_NOT_STANDING: 409,
    Refusal.TRY_AGAIN: 503,
    Refusal.WALLET_DOWN: 503,
    Refusal.ASKED_TOO_OFTEN: 429,
    Refusal.TOO_MANY_UNPAID: 429,
}


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal: 422 for what the caller can mend, 409 for what time decides."""
    return _STATUSES.get(refusal, 422)


def language_of(request: web.Request, default: str) -> str:
    """The language that Accept-Language likes best among ours, else `default`."""
    wanted = request.headers.get(hdrs.ACCEPT_LANGUAGE)
    return default if wanted is None else preferred(wanted, languages()) or default


def read_payer_for(typed: str, method: PaymentMethod | None, contest: Contest) -> Msisdn | Refusal | None:
    """The same; None where a card pays and nothing was typed."""
    if method is PaymentMethod.CARD and not typed.strip():
        return None
    return read_payer(typed, contest)


def orderer_of(request: web.Request, device: str | None = None) -> Orderer:
    """Who orders: the device, by its cookie or as given, else the address alone."""
    address = subject_of(request.remote or "")
    known = device or request.app[DEVICES].read(request)
    if known is None:
        return Orderer(OrdererKind.ADDRESS, address, address)
    return Orderer(OrdererKind.DEVICE, known, address)


def vote_request_of(
    channel: Channel,
    key: str,
    contest: Contest,
    code: str,
    quantity: int,
    method: PaymentMethod | None,
    payer: Msisdn | None,
    language: str,
    orderer: Orderer | None = None,
) -> VoteRequest:
    """The vote request of somebody who typed a number: nobody has proved to hold it, so `voter` is nobody.

    `method` None: guessed by the number. What was asked for is hashed, so that the same key with
    another request is found out. `payer` None: a way to pay that needs no phone. `orderer`: who typed.
    """
    asked = {
        "contest": contest.slug,
        "code": code,
        "quantity": str(quantity),  # any size of integer
        "method": method,
        "payer": payer.e164 if payer else None,
    }
    return VoteRequest(
        channel=channel,
        key=key,
        contest=contest,
        candidate_code=code,
        quantity=quantity,
        method=method or (guess_method(payer) if payer else None),
        payer=payer,
        voter=None,
        language=language,
        request_hash=hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest(),
        orderer=orderer,
    )


def read_vote_id(text: str) -> UUID | None:
    """A vote's id as we write it; None for any other spelling."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
