"""MTN MoMo: a prompt pushed to the payer's phone, and money back out to a wallet.

Source: MTN MoMo developer portal and community pages (Collection, Disbursement, testing, common errors),
the published OpenAPI, and runs against the sandbox in September 2026. Its reason codes are in
`payments.providers.mtn_momo.reasons`.

| field | what it is |
| --- | --- |
| `X-Reference-Id` | our reference, a UUID version 4: the only handle, committed before the call |
| `X-Callback-Url` | where MTN calls once, at most; carries our own token for the payment |
| `externalId` | our order code, or a disbursement's reference; echoed, not unique over there |
| `amount` | text, whole francs; some answers have a number |
| `payerMessage` | at most 160 over there; ASCII letters, digits and spaces, or the firewall refuses |
| `referenceIdToRefund` | the reference of the collection that is refunded |
| `reason` | text, or an object with `code`, or absent |
| `financialTransactionId` | MTN's number, absent while pending; some answers have a number |

Unreliable: 202 means queued and never paid; logical mistakes come as 500 with a code; callbacks are
unsigned, POST or PUT, and may never come; success five minutes after expiry is normal. A refund is a
call of the Disbursement product and leaves a wallet of its own; MTN refunds by reference only on the
platform that collected, so anything else is refunded by transfer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from payments.answers import (
    FIREWALL,
    NO_PAYER,
    Reply,
    amount_of,
    evidence,
    identifier,
    inner,
    number_forms,
    order_code_in,
    plain_code,
    plain_words,
    read_object,
    reason_of,
    shows_life,
    success,
)
from payments.http_call import Outcome
from payments.operator_api import PROMPT_LADDER, TokenApi, TokenProvider
from payments.provider import (
    Accepted,
    Balance,
    Capabilities,
    Claims,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    Hint,
    Kind,
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
from payments.providers.mtn_momo.account import Settings
from payments.providers.mtn_momo.reasons import REASONS, UNKNOWN_REASON
from payments.providers.mtn_momo.statement import STATEMENT
from payments.registration import Registration

CODE: Final = "mtn_momo"
_ALREADY_THERE: Final = frozenset({"RESOURCE_ALREADY_EXIST", ""})
# Only MTN's own code counts: any proxy or wrong address answers 404 too.
_NOT_FOUND: Final = frozenset({"RESOURCE_NOT_FOUND", "TRANSACTION_NOT_FOUND"})
_MSISDN: Final = re.compile(r"[1-9][0-9]{7,14}")
MESSAGE_LENGTH_MAX: Final = 100
OPEN_SECONDS: Final = 330
REFUND: Final = "refund"
TRANSFER: Final = "transfer"
_NO_PRODUCT: Final = "no disbursement account is configured"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `sent_currency`: the one in our request to MTN. `phone`: the number of the
    other side, E.164. `paying`: the money is on its way out."""

    reference: UUID
    amount: Money
    sent_currency: str
    phone: str | None
    paying: bool = False


class MtnMomo(TokenProvider[Settings]):
    """`PaymentProvider`, `Prober`, `OutProber`, `BalanceTeller` and `HolderChecker` for MTN; a `Disburser` where
    the account has the Disbursement product."""

    code = CODE

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, **settings.collects)
        pays = settings.disburses
        self._disbursement = TokenApi(self._caller, settings.base_url, **pays) if pays else None

    def capabilities(self, country: str) -> Capabilities:
        """A push prompt that is open for a little over five minutes, in the currency of the environment."""
        pays = self._disbursement is not None
        return Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=self._settings.currencies,
            open_seconds=OPEN_SECONDS,
            ladder_seconds=PROMPT_LADDER,
            status_per_second=self._settings.status_per_second,
            phone_needed=True,
            can_refund=pays,
            can_pay_out=pays,
            has_balance=True,
            knows_holders=True,
            pays_from_float=pays,
        )

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST requesttopay`, the only call that takes money."""
        if collection.payer is None:
            return NO_PAYER
        body = {
            "amount": collection.amount.plain(),
            "currency": self._sent_currency(collection.amount),
            "externalId": collection.order_code,
            "payer": _party(collection.payer),
            "payerMessage": plain_words(collection.description, MESSAGE_LENGTH_MAX) or collection.order_code,
            "payeeNote": collection.order_code,
        }
        sent = self._api.submit(collection, "requesttopay", "requesttopay", headers=_named(collection), json=body)
        return read_submission(await sent)

    async def query(self, collection: Collection) -> StatusReport:
        """`GET requesttopay/{reference}`, on the platform that took it."""
        outcome = await self._api.ask(collection, f"requesttopay/{collection.reference}", "status")
        value = self._sent_currency(collection.amount)
        return read_status(outcome, Asked(collection.reference, collection.amount, value, collection.payer))

    async def alive(self) -> bool:
        """Whether MTN answers 404 to a question about a reference that does not exist."""
        return shows_life(await self._api.ask(None, f"requesttopay/{uuid4()}", "probe"))

    async def alive_out(self) -> bool:
        """The same for the Disbursement product; True where it is not configured, as no payment waits for it."""
        if self._disbursement is None:
            return True
        return shows_life(await self._disbursement.ask(None, f"transfer/{uuid4()}", "probe_out"))

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """`POST refund` of a collection, or `POST transfer` to a wallet."""
        if self._disbursement is None:
            return NotSent(_NO_PRODUCT, alarm=True)
        verb, payee = self._verb(disbursement), _payee(disbursement)
        message = plain_words(disbursement.description, MESSAGE_LENGTH_MAX) or "Spotlight"
        body: dict[str, object] = {
            "amount": disbursement.amount.plain(),
            "currency": self._sent_currency(disbursement.amount),
            "externalId": str(disbursement.reference),
            "payerMessage": message,
            "payeeNote": message,
        }
        if verb == REFUND and disbursement.collection is not None:
            body["referenceIdToRefund"] = str(disbursement.collection.reference)
        elif payee is None:
            return Rejected("NO_PAYEE", PayerReason.UNKNOWN_NUMBER)
        else:
            body["payee"] = _party(payee)
        sent = self._disbursement.submit(disbursement, verb, verb, headers=_named(disbursement), json=body)
        return read_submission(await sent, paying=True)

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """`GET refund/{reference}` or `GET transfer/{reference}`. A refund that one does not know is asked
        of the other too: how refunds are made may have been configured otherwise since."""
        if self._disbursement is None:
            return Unavailable(_NO_PRODUCT)
        verb = self._verb(disbursement)
        report = await self._ask(self._disbursement, verb, disbursement)
        if isinstance(report, NotFound) and disbursement.purpose is Purpose.REFUND:
            return await self._ask(self._disbursement, TRANSFER if verb == REFUND else REFUND, disbursement)
        return report

    async def _ask(self, product: TokenApi, verb: str, disbursement: Disbursement) -> StatusReport:
        outcome = await product.ask(disbursement, f"{verb}/{disbursement.reference}", f"{verb}_status")
        amount, payee = disbursement.amount, _payee(disbursement)
        return read_status(outcome, Asked(disbursement.reference, amount, self._sent_currency(amount), payee, True))

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        """`GET account/balance` of the product that has this wallet."""
        product = self._api if wallet is Wallet.COLLECTION else self._disbursement
        if product is None:
            return Unavailable(_NO_PRODUCT)
        outcome = await product.ask(None, "account/balance", f"{wallet}_balance")
        return read_balance(outcome, currency, self._settings.currency or currency)

    async def holder_active(self, msisdn: str) -> bool | None:
        """`GET accountholder/msisdn/{number}/active`."""
        outcome = await self._api.ask(None, f"accountholder/msisdn/{msisdn.removeprefix('+')}/active", "holder")
        return read_active(outcome)

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """A hint: nothing in the message proves anything."""
        body = read_object(request.body)
        claimed = plain_code(body.get("status"))
        return (Hint(claimed, order_code_in(body.get("externalId")), claims=read_claims(body)),) if claimed else ()

    def _sent_currency(self, money: Money) -> str:
        return self._settings.currency or money.currency

    def _verb(self, disbursement: Disbursement) -> str:
        """How this money goes out: by reference to a collection where that is possible."""
        collected = disbursement.collection
        if disbursement.purpose is Purpose.PAYOUT or collected is None or self._settings.refunds_by == TRANSFER:
            return TRANSFER
        return REFUND if self._api.base(collected) == self._api.base(disbursement) else TRANSFER


def _party(msisdn: str) -> dict[str, str]:
    return {"partyIdType": "MSISDN", "partyId": msisdn.removeprefix("+")}


def _payee(disbursement: Disbursement) -> str | None:
    collected = disbursement.collection
    return disbursement.payee or (collected.payer if collected else None)


def _named(asked: Collection | Disbursement) -> dict[str, str]:
    headers = {"X-Reference-Id": str(asked.reference)}
    if asked.callback_url.startswith("http") and asked.callback_url.isascii():
        # An empty or odd one costs the whole request a 400; without it, the ladder asks.
        headers["X-Callback-Url"] = asked.callback_url
    return headers


def read_submission(outcome: Outcome, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What MTN's answer to a request to move money means."""
    reply = Reply(outcome)
    if reply.status == 202:
        return Accepted()
    if reply.status == 409 and reply.code in _ALREADY_THERE and reply.found:
        return Accepted(already_there=True)
    if reason := REASONS.get(reply.code):
        verdict = reason.paying if paying else reason.collecting
        # By a 400 nothing was created, whatever its code; an earlier call of the same reference may have been lost.
        if verdict.final and (reply.status == 400 or (reply.status == 500 and reason.logical)):
            return Rejected(reply.code, verdict.reason, alarm=verdict.alarm, ask_first=True)
    return reply.refusal(firewall=FIREWALL)


def read_status(outcome: Outcome, asked: Asked) -> StatusReport:
    """What MTN's answer to a status question means."""
    reply = Reply(outcome)
    if reply.status == 404 and reply.code in _NOT_FOUND:
        return NotFound(reply.code)
    answer, status = reply.found, plain_code(reply.found.get("status"))
    if reply.status != 200 or not status:
        return reply.unavailable()
    raw = evidence(reply.body, _numbers(answer, asked))
    if status == "SUCCESSFUL":
        currency = plain_code(answer.get("currency"))
        booked = asked.amount.currency if currency == asked.sent_currency else currency
        received = amount_of(answer.get("amount"), booked)
        return success(CODE, asked.reference, received, answer.get("financialTransactionId"), raw)
    if status == "FAILED":
        return _failed(answer, asked, raw)
    return StillOpen(status)


def read_claims(body: Mapping[str, Any]) -> Claims | None:
    """What a callback about a collection claims; None unless it says that this was paid. It has the shape of a
    status answer."""
    if body.get("status") != "SUCCESSFUL":
        return None
    payer = inner(body, "payer")
    number = payer.get("partyId") if payer.get("partyIdType") == "MSISDN" else None
    return Claims(
        "SUCCESSFUL",
        succeeded=True,
        order_code=order_code_in(body.get("externalId")),
        received=amount_of(body.get("amount"), plain_code(body.get("currency"))),
        payer=f"+{number}" if isinstance(number, str) and _MSISDN.fullmatch(number) else None,
        provider_reference=identifier(body.get("financialTransactionId")),
    )


def _numbers(answer: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    shown = [str(inner(answer, party).get("partyId") or "") for party in ("payer", "payee")]
    return [*shown, *number_forms(asked.phone)]


def _failed(answer: Mapping[str, Any], asked: Asked, raw: str) -> StatusReport:
    value = answer.get("reason")
    code = plain_code(value.get("code") if isinstance(value, dict) else value, "FAILED")
    reason = reason_of(REASONS, code, UNKNOWN_REASON, CODE)
    verdict = reason.paying if asked.paying else reason.collecting
    if not verdict.final:
        return StillOpen(code)
    return Failed(code, verdict.reason, raw, expired=verdict.expired, alarm=verdict.alarm)


def read_balance(outcome: Outcome, currency: str, sent_currency: str) -> Balance | Unavailable:
    """What a wallet holds, in our `currency`; never zero for want of an answer."""
    reply = Reply(outcome)
    if reply.status != 200:
        return reply.unavailable()
    if reply.found.get("currency") != sent_currency:
        return Unavailable("a balance in another currency")
    available = amount_of(reply.found.get("availableBalance"), currency)
    return Unavailable("200 without a readable balance") if available is None else Balance(available)


def read_active(outcome: Outcome) -> bool | None:
    """Whether a number has a wallet that works: `{"result": true}`, or just `true`; None when the answer does not
    contain it."""
    reply = Reply(outcome)
    if reply.status == 404 and reply.code in _NOT_FOUND:
        return False
    result = {b"true": True, b"false": False}.get(reply.body.strip(), reply.found.get("result"))
    return result if reply.status == 200 and isinstance(result, bool) else None


REGISTRATION = Registration(
    CODE,
    Settings,
    MtnMomo,
    {"CI": (PaymentMethod.MTN,), "CM": (PaymentMethod.MTN,)},
    lambda settings: settings.target_environment == "sandbox" or "//sandbox." in settings.base_url,
    statement=STATEMENT,
)
