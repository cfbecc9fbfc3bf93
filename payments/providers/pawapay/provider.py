"""pawaPay, an aggregator of operators: prompts, codes that payers fetch first, money back out.

Source: pawaPay's developer pages, Merchant API v2, read in November 2026.

| field | what it is |
| --- | --- |
| `depositId`, `payoutId`, `refundId` | our reference, UUID version 4; asked again it is `DUPLICATE_IGNORED` |
| `provider` | the operator in a country, e.g. `MTN_MOMO_CIV` |
| `phoneNumber` | international, digits only |
| `amount` | text in major units |
| `preAuthorisationCode` | what the payer got by dialling; Orange in Côte d'Ivoire: `#144*82#` |
| `customerMessage` | 4 to 22 letters, digits and spaces, which the payer sees |
| `clientReferenceId` | our order code; comes back in answers and callbacks |
| `providerTransactionId` | the operator's number of the transaction |
| `failureReason` | `failureCode` and a text for developers |

Unreliable: a refusal is HTTP 200 with `REJECTED`; an unknown reference is HTTP 200 with `NOT_FOUND`;
`IN_RECONCILIATION` means that pawaPay itself does not know yet, which may last. One code stands for a payer who
declines, one who does nothing, and a wrong code of Orange's. One refund of a deposit moves at a time. Callbacks go to
addresses that stand in pawaPay's dashboard, for the whole account; they are signed where that is switched on there.
Orders signed by us (an option of the account) are not implemented.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from pydantic import Field

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod, guess_method
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.answers import (
    FIREWALL,
    NO_PAYER,
    WRONG_CURRENCY,
    Reply,
    amount_of,
    another_order,
    evidence,
    inner,
    number_forms,
    order_code_in,
    plain_code,
    plain_words,
    read_list,
    read_object,
    reason_of,
    shows_life,
    success,
)
from payments.http_call import Answer, Outcome
from payments.operator_api import PROMPT_LADDER, HttpProvider
from payments.provider import (
    Accepted,
    Balance,
    Capabilities,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    Hint,
    Kind,
    NeedsOtp,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
    Rejected,
    StatusReport,
    StillOpen,
    Unavailable,
    Unknown,
    Wallet,
)
from payments.providers.pawapay.reasons import REASONS, UNKNOWN_REASON
from payments.providers.pawapay.signatures import KeyRing, Origin, read_keys
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

CODE: Final = "pawapay"
DEPOSIT: Final = "deposit"
PAYOUT: Final = "payout"
REFUND: Final = "refund"
# Operators whose payers bring a code: a payment that is not approved there had a wrong one.
CODE_FIRST: Final = frozenset({"ORANGE_CIV"})
_NOT_APPROVED: Final = "PAYMENT_NOT_APPROVED"
OPEN_SECONDS: Final = 900
MESSAGE_LENGTH_MIN: Final = 4
MESSAGE_LENGTH_MAX: Final = 22
COUNTRIES: Final[Mapping[str, tuple[str, str]]] = {"CI": ("CIV", "XOF"), "CM": ("CMR", "XAF")}
"""Country → pawaPay's code for it, and the currency there."""
OPERATORS: Final[Mapping[str, Mapping[PaymentMethod, str]]] = {
    "CI": {PaymentMethod.MTN: "MTN_MOMO_CIV", PaymentMethod.ORANGE: "ORANGE_CIV"},
    "CM": {PaymentMethod.MTN: "MTN_MOMO_CMR", PaymentMethod.ORANGE: "ORANGE_CMR"},
}
_PAYMENT_CODE: Final = re.compile(r"[A-Za-z0-9]{4,12}")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `kind`: `deposit`, `payout` or `refund`. `phone`: the number of the other
    side, E.164."""

    kind: str
    reference: UUID
    amount: Money
    phone: str | None


class Settings(OperatorSettings):
    """`PAWAPAY_*`. `callback_url`: the address that stands in pawaPay's dashboard, which signatures cover.
    `signed_callbacks`: whether the dashboard has them signed; unsigned ones then prove nothing."""

    base_url: BaseUrl = Field(examples=["https://api.pawapay.io"])
    api_token: HeaderSecret
    callback_url: BaseUrl = Field(examples=["https://vote.example.org/api/webhooks/pawapay"])
    signed_callbacks: bool = True


class PawaPay(HttpProvider[Settings]):
    """`PaymentProvider`, `Prober`, `Disburser` and `BalanceTeller` for pawaPay."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        bearer = f"Bearer {settings.api_token.get_secret_value()}"
        super().__init__(settings, root="v2/", headers={"Authorization": bearer})
        self._keys = KeyRing()

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt; for Orange in Côte d'Ivoire a code that the payer fetches first."""
        operators = OPERATORS.get(country, {})
        kinds_of = {
            method: frozenset({Kind.OTP_FIRST if operator in CODE_FIRST else Kind.PUSH})
            for method, operator in operators.items()
        }
        return Capabilities(
            kinds=frozenset().union(*kinds_of.values()),
            currencies=frozenset({COUNTRIES[country][1]} if country in COUNTRIES else ()),
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PROMPT_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            can_refund=True,
            can_pay_out=True,
            has_balance=True,
            kinds_of=kinds_of,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /v2/deposits`. Where the operator needs the payer's code, a request without one is not sent."""
        payer, operator = collection.payer, _operator(collection.country, collection.payer, collection.method)
        if payer is None or operator is None:
            return NO_PAYER
        if collection.amount.currency != COUNTRIES[collection.country][1]:
            return WRONG_CURRENCY
        if operator in CODE_FIRST and not otp:
            return NeedsOtp()
        body: dict[str, object] = {
            "depositId": str(collection.reference),
            "amount": collection.amount.plain(),
            "currency": collection.amount.currency,
            "payer": _wallet(payer, operator),
            "customerMessage": _message(collection.description, collection.order_code),
            "clientReferenceId": collection.order_code,
        }
        if operator in CODE_FIRST:
            code = "".join((otp or "").split())
            if not _PAYMENT_CODE.fullmatch(code):
                return Rejected("BAD_CODE", PayerReason.WRONG_CODE)
            body["preAuthorisationCode"] = code
        return read_submission(await self._api.submit(collection, "deposits", "deposits", json=body))

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /v2/deposits/{our reference}`, on the platform that took it."""
        asked = Asked(DEPOSIT, collection.reference, collection.amount, collection.payer)
        return await self._ask(collection, asked)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """`POST /v2/refunds` of a deposit, or `POST /v2/payouts` to a wallet."""
        body: dict[str, object] = {
            "amount": disbursement.amount.plain(),
            "currency": disbursement.amount.currency,
        }
        if disbursement.purpose is Purpose.REFUND:
            if disbursement.collection is None:
                return Rejected("NO_DEPOSIT", PayerReason.OTHER, alarm=True)
            verb = "refunds"
            body["refundId"] = str(disbursement.reference)
            body["depositId"] = str(disbursement.collection.reference)
        else:
            payee, operator = disbursement.payee, _operator(disbursement.country, disbursement.payee)
            if payee is None or operator is None:
                return Rejected("NO_PAYEE", PayerReason.UNKNOWN_NUMBER)
            verb = "payouts"
            body["payoutId"] = str(disbursement.reference)
            body["recipient"] = _wallet(payee, operator)
            body["customerMessage"] = _message(disbursement.description, "Spotlight")
        return read_submission(await self._api.submit(disbursement, verb, verb, json=body), paying=True)

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """`GET /v2/refunds/{our reference}` or `GET /v2/payouts/{our reference}`."""
        kind = REFUND if disbursement.purpose is Purpose.REFUND else PAYOUT
        collected = disbursement.collection
        phone = disbursement.payee or (collected.payer if collected else None)
        return await self._ask(disbursement, Asked(kind, disbursement.reference, disbursement.amount, phone))

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        """`GET /v2/wallet-balances`: what comes in and what goes out share the country's wallets."""
        if country not in COUNTRIES:
            return Unavailable("no wallet in this country")
        word_for_it, _ = COUNTRIES[country]
        outcome = await self._api.ask(None, f"wallet-balances?country={word_for_it}", f"{wallet}_balance")
        return read_balance(outcome, word_for_it, currency)

    async def alive(self) -> bool:
        """Whether pawaPay answers `NOT_FOUND` to a question about a deposit that does not exist."""
        return shows_life(await self._api.ask(None, f"deposits/{uuid4()}", "probe"))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint, where pawaPay signed it. While its keys are not here, one is taken without a proof."""
        body = read_object(request.body)
        claimed = plain_code(body.get("status"))
        if not claimed:
            return ()
        found = self._keys.origin(request, self._settings.callback_url)
        if self._trusts(found) is False:
            _log.warning("callback_refused", provider=CODE, origin=found.value)
            return ()
        return (read_hint(body, claimed),)

    def is_signed(self, request: RawRequest) -> bool | None:
        """Whether pawaPay signed it; None while its keys are not here, or where it is set up to sign nothing."""
        return self._trusts(self._keys.origin(request, self._settings.callback_url))

    def _trusts(self, found: Origin) -> bool | None:
        unknown = found is Origin.KEYS_UNKNOWN or (found is Origin.UNSIGNED and not self._settings.signed_callbacks)
        return None if unknown else found is Origin.PAWAPAY

    async def _ask(self, of: Collection | Disbursement, asked: Asked) -> StatusReport:
        if self._keys.wants_keys():
            await self._fetch_keys()
        outcome = await self._api.ask(of, f"{asked.kind}s/{asked.reference}", f"{asked.kind}_status")
        return read_status(outcome, asked)

    async def _fetch_keys(self) -> None:
        """`GET /v2/public-key/http`."""
        outcome = await self._api.ask(None, "public-key/http", "public_keys")
        if isinstance(outcome, Answer) and outcome.status == 200:
            self._keys.learn(read_keys(read_list(outcome.body)))


def _operator(country: str, number: str | None, chosen: PaymentMethod | None = None) -> str | None:
    """Whose wallet it is: the chosen one; else by the number, which its owner may have taken along to
    another operator."""
    if number is None:
        return None
    method = chosen or guess_method(Msisdn(number, country))
    return None if method is None else OPERATORS.get(country, {}).get(method)


def _wallet(number: str, operator: str) -> dict[str, object]:
    return {"type": "MMO", "accountDetails": {"phoneNumber": number.removeprefix("+"), "provider": operator}}


def _message(text: str, instead: str) -> str:
    message = plain_words(text, MESSAGE_LENGTH_MAX)
    return message if len(message) >= MESSAGE_LENGTH_MIN else plain_words(instead, MESSAGE_LENGTH_MAX)


_METHODS: Final = (PaymentMethod.MTN, PaymentMethod.ORANGE)


def _failure(answer: Mapping[str, Any]) -> object:
    """The failure code in an answer."""
    return inner(answer, "failureReason").get("failureCode")


def read_submission(outcome: Outcome, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What pawaPay's answer to a request to move money means. A refusal is HTTP 200 too. `paying`: money goes out, no
    payer waits at a phone, so it may be sent again later."""
    reply = Reply(outcome, _failure)
    result = plain_code(reply.found.get("status")) if reply.status == 200 else ""
    if result in ("ACCEPTED", "DUPLICATE_IGNORED"):
        return Accepted(already_there=result == "DUPLICATE_IGNORED")
    if result == "REJECTED":
        code = reply.code or result
        reason = reason_of(REASONS, code, UNKNOWN_REASON, CODE)
        return NotSent(code) if reason.later and paying else Rejected(code, reason.reason, alarm=reason.alarm)
    return reply.refusal(firewall=FIREWALL)


def read_status(outcome: Outcome, asked: Asked) -> StatusReport:
    """What pawaPay's answer to a status question means: HTTP 200 also for what it does not know."""
    reply = Reply(outcome, _failure)
    found, data = plain_code(reply.found.get("status")), inner(reply.found, "data")
    if reply.status == 200 and found == "NOT_FOUND":
        return NotFound(found)
    status = plain_code(data.get("status"))
    if reply.status != 200 or found != "FOUND" or not status:
        return reply.unavailable()
    reference = str(asked.reference)
    if data.get(f"{asked.kind}Id", reference) != reference:
        return another_order(CODE, asked.reference)
    raw = evidence(reply.body, _numbers(data, asked))
    if status == "COMPLETED":
        currency = asked.amount.currency
        received = amount_of(data.get("amount"), currency) if data.get("currency") == currency else None
        return success(CODE, asked.reference, received, data.get("providerTransactionId"), raw)
    if status == "FAILED":
        return _failed(data, raw)
    return StillOpen(status)


def _account(data: Mapping[str, Any], party: str) -> Mapping[str, Any]:
    """The wallet of one side, where an answer shows it."""
    return inner(data, party, "accountDetails")


def _numbers(data: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    shown = [str(_account(data, party).get("phoneNumber") or "") for party in ("payer", "recipient")]
    return [*shown, *number_forms(asked.phone)]


def _failed(data: Mapping[str, Any], raw: str) -> Failed:
    code = plain_code(_failure(data)) or "FAILED"
    reason = reason_of(REASONS, code, UNKNOWN_REASON, CODE)
    if code == _NOT_APPROVED and _account(data, "payer").get("provider") in CODE_FIRST:
        return Failed(code, PayerReason.WRONG_CODE, raw)
    return Failed(code, reason.reason, raw, expired=reason.expired, alarm=reason.alarm)


def read_balance(outcome: Outcome, country: str, currency: str) -> Balance | Unavailable:
    """What we hold in a country, in all its wallets; never zero for want of an answer. `country`: three
    letters."""
    reply = Reply(outcome)
    listed = reply.found.get("balances")
    if reply.status != 200 or not isinstance(listed, list):
        return reply.unavailable()
    held = [
        amount_of(row.get("balance"), currency)
        for row in listed
        if isinstance(row, dict) and row.get("country") == country and row.get("currency") == currency
    ]
    amounts = [amount for amount in held if amount is not None]
    if not amounts or len(amounts) < len(held):
        return Unavailable("200 without a readable balance")
    return Balance(Money(sum(amount.amount_minor for amount in amounts), currency))


def read_hint(body: Mapping[str, Any], claimed: str) -> Hint:
    """What a callback is about: by our reference, else by the order code that we sent along."""
    named = next((body[f"{kind}Id"] for kind in (DEPOSIT, REFUND, PAYOUT) if f"{kind}Id" in body), None)
    try:
        reference = UUID(named) if isinstance(named, str) else None
    except ValueError:
        reference = None
    order = None if reference else order_code_in(body.get("clientReferenceId"))
    return Hint(claimed, order, reference=reference)


REGISTRATION = Registration(
    CODE, Settings, PawaPay, {"CI": _METHODS, "CM": _METHODS}, lambda settings: "//api.sandbox." in settings.base_url
)
