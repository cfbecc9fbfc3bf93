"""From what was typed to a vote request: who orders, the form as it is sent, and what a refusal is about."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from channels.buying import read_count, read_payer
from channels.phrases import languages
from gateway.contests.contest import Candidate, Contest
from gateway.http.callers import DEVICES, comes_from_us
from gateway.http.pages import preferred
from gateway.orders.prompting import Orderer, OrdererKind
from gateway.orders.routing import Rails
from gateway.orders.rules import Channel, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod
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
    Refusal.BETWEEN_ROUNDS: CONTEST,
    Refusal.CLOSED: CONTEST,
    Refusal.SUSPENDED: CONTEST,
    Refusal.UNKNOWN_CANDIDATE: CANDIDATE,
    Refusal.CANDIDATE_NOT_ELIGIBLE: CANDIDATE,
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
    Refusal.TOO_MANY_ORDERS: PHONE,
}
"""The field that a refusal is about; none for what no field can mend."""

_STATUSES: Final[Mapping[Refusal, int]] = {
    Refusal.UNKNOWN_CONTEST: 404,
    Refusal.NOT_OPEN_YET: 409,
    Refusal.BETWEEN_ROUNDS: 409,
    Refusal.CLOSED: 409,
    Refusal.SUSPENDED: 409,
    Refusal.CANDIDATE_NOT_ELIGIBLE: 409,
    Refusal.TRY_AGAIN: 503,
    Refusal.WALLET_DOWN: 503,
    Refusal.ASKED_TOO_OFTEN: 429,
    Refusal.TOO_MANY_UNPAID: 429,
    Refusal.TOO_MANY_HERE: 429,
    Refusal.TOO_MANY_ORDERS: 429,
    Refusal.NOT_ACCEPTED: 403,
}
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 20
FIRST_QUANTITY: Final = 5
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_NONCE_BYTES: Final = 18
_METHODS: Final = {method.value: method for method in PaymentMethod}
_SPACES: Final = re.compile(r"\s")
_SAME_SITE: Final = frozenset({"same-origin", "none"})


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal: 422 for what the caller can mend, 409 for what time decides."""
    return _STATUSES.get(refusal, 422)


def language_of(request: web.Request, default: str) -> str:
    """The language that Accept-Language likes best among ours, else `default`."""
    wanted = request.headers.get(hdrs.ACCEPT_LANGUAGE)
    return default if wanted is None else preferred(wanted, languages()) or default


def read_payer_for(typed: str, method: PaymentMethod | None, contest: Contest) -> Msisdn | Refusal | None:
    """The number that pays; None where a card pays and nothing was typed."""
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
    rails: Rails,
    orderer: Orderer | None = None,
) -> VoteRequest:
    """The vote request with a typed number. It is not proved, so there is no `voter`.

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
        method=method or (rails.guess(payer) if payer else None),
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


@dataclass(frozen=True, slots=True)
class Form:
    """The form as its reader left it.

    `nonce`: one form, one order, however often it is sent; empty from a page that many share and
    whose script did not run. `pack`: the number of votes that was chosen from the offered ones;
    `quantity`: the one that was typed. `code`: the candidate, where the page is not a candidate's.
    `again`: it was shown with a notice about an order that waits, so sending it means another one.
    `price`: of a vote, as the page showed it, in minor units; empty from a page that says none.
    """

    nonce: str
    quantity: str = ""
    phone: str = ""
    method: str = ""
    pack: str = ""
    code: str = ""
    again: bool = False
    price: str = ""

    @property
    def votes(self) -> str:
        """The number of votes that is meant: chosen or typed; both, when they are not the same, is
        no number."""
        chosen, typed = self.pack, _SPACES.sub("", self.quantity)
        return f"{chosen} {self.quantity}" if chosen and typed and chosen != typed else chosen or typed


def first_form(contest: Contest, nonce: str = "") -> Form:
    """The untouched form: the smallest pack, or a few votes."""
    first = contest.packs[0] if contest.packs else min(FIRST_QUANTITY, contest.quantity_max)
    return with_quantity(Form(nonce), contest, str(first))


def with_quantity(form: Form, contest: Contest, votes: str) -> Form:
    """The form with this number of votes: a pack where it is one, else typed."""
    chosen = votes.isdigit() and int(votes) in contest.packs
    pack, quantity = (votes, "") if chosen else ("", votes)
    return replace(form, quantity=quantity, pack=pack)


def fresh_nonce() -> str:
    """A word that no other form has."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def read_form(body: bytes) -> Form:
    """The form as sent; of a field given twice, the last. ValueError for too many fields."""
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    nonce = fields.get("nonce", "")
    return Form(
        nonce=nonce if _NONCE.fullmatch(nonce) else "",
        quantity=fields.get("quantity", "").strip()[:20],
        phone=fields.get("phone", "").strip()[:40],
        method=fields.get("method", ""),
        pack=fields.get("pack", "").strip()[:20],
        code=fields.get("code", "").strip()[:16],
        again=fields.get("again") == "1",
        price=fields.get("price", "")[:20],
    )


def read_vote_request(
    form: Form, contest: Contest, candidate: Candidate, language: str, rails: Rails, orderer: Orderer
) -> VoteRequest | Refusal:
    """What the form asks for, or the first thing in it that cannot be."""
    quantity = read_count(form.votes, contest)
    if isinstance(quantity, Refusal):
        return quantity
    # None: by the number.
    method = _METHODS.get(form.method, Refusal.METHOD_UNAVAILABLE) if form.method else None
    if isinstance(method, Refusal):
        return method
    # The form of a card asks no number: one that was typed before the card was chosen is not meant.
    typed = "" if method is PaymentMethod.CARD else form.phone
    payer = read_payer_for(typed, method, contest)
    if isinstance(payer, Refusal):
        return payer
    return vote_request_of(
        Channel.WEB, form.nonce, contest, candidate.code, quantity, method, payer, language, rails, orderer
    )


def from_elsewhere(request: web.Request) -> bool:
    """Whether another site's page sent this form.

    A browser that sends neither Sec-Fetch-Site nor Origin is let in: one that can be used by
    another site sends at least Origin, and small phones' browsers send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _SAME_SITE
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and not comes_from_us(request, origin)
