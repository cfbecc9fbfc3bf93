"""What the API and the form have in common: from what was typed to a vote request, and refusals in words."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from channels.phrases import languages, say
from channels.wallets import wallet_refused
from gateway.contests.codes import CodeFault, code_fault, phrase_of
from gateway.contests.contest import Contest
from gateway.http.devices import DEVICES
from gateway.http.pages import preferred
from gateway.orders.prompting import Orderer, OrdererKind
from gateway.orders.rules import Channel, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod, example_number, guess_method
from gateway.values.msisdn import Msisdn, NumberFault, read_msisdn
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


def refusal_words(
    refusal: Refusal,
    language: str,
    contest: Contest | None,
    code: str = "",
    *,
    least: int | None = None,
    payer: Msisdn | None = None,
    methods: Sequence[PaymentMethod] = (),
) -> str:
    """The refusal as a voter reads it; of an unknown code, whether it is mistyped. `least`: the smallest
    number of votes that the chosen way to pay takes; `methods`: the ways by which `payer` may pay."""
    if refusal in (Refusal.NO_WALLET, Refusal.NOT_ITS_WALLET):
        return wallet_refused(refusal, language, payer, methods)
    if refusal is Refusal.TOO_FEW and least is not None:
        return say(language, "refusal.too_few_known", least=least)
    name, maximum = (contest.name, contest.quantity_max) if contest is not None else ("", 0)
    example = example_number(contest.country if contest is not None else "")
    mistyped = refusal is Refusal.UNKNOWN_CANDIDATE and contest is not None and is_mistyped(contest, code)
    phrase = phrase_of(CodeFault.MISTYPED) if mistyped else f"refusal.{refusal.value}"
    return say(language, phrase, contest=name, code=code, maximum=maximum, example=example)


def is_mistyped(contest: Contest, code: str) -> bool:
    """Whether the check digit of a code that nobody has tells that it is mistyped."""
    return code.isdecimal() and code_fault(contest, code) is CodeFault.MISTYPED


def language_of(request: web.Request, default: str) -> str:
    """The language that Accept-Language likes best among ours, else `default`."""
    wanted = request.headers.get(hdrs.ACCEPT_LANGUAGE)
    return default if wanted is None else preferred(wanted, languages()) or default


def read_payer(typed: str, contest: Contest) -> Msisdn | Refusal:
    """The number to charge, of the contest's country."""
    found = read_msisdn(typed, contest.country)
    if isinstance(found, Msisdn):
        return found
    return Refusal.FOREIGN_NUMBER if found is NumberFault.FOREIGN else Refusal.BAD_NUMBER


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
