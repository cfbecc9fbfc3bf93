"""pawaPay, Merchant API v2: deposits by prompt or by the payer's code, refunds, payouts, balances.

Source: pawaPay's developer pages. Callbacks go to the address in the dashboard (`PAWAPAY_CALLBACK_URL`) and
are signed. A payer of Orange in Côte d'Ivoire dials `#144*82#` and the merchant hands in her code, which is
good once, for ten minutes; all other payers are prompted. `push` off: no prompt comes, and none can be fetched.
Refunds and payouts leave the one wallet of a country.
"""

import re
import time
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PromptedRequests, Words
from sandbox.operators.book import COLLECTION, Entry, Status
from sandbox.operators.callbacks import Letter, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.orange_codes import codes_of
from sandbox.operators.outgoing import OutgoingRequests, OutgoingWords
from sandbox.operators.pawapay.messages import (
    CURRENCIES,
    NETWORKS,
    STUCK,
    amount_fault,
    error,
    is_processing,
    number_of,
    ordained,
    read_message,
    read_party,
    read_reference,
    received,
    rejected,
    shown,
    text_field,
)
from sandbox.operators.pawapay.signing import Signatures
from sandbox.operators.pipeline import MoneyRequests
from sandbox.operators.wire import RateLimit, Refusal, answer, read_bearer, read_object, served

DEPOSIT: Final = "deposit"
REFUND: Final = "refund"
PAYOUT: Final = "payout"
PAYER_SECONDS: Final = 600.0
REFERENCE_LENGTH_MAX: Final = 64
WORDS: Final = Words(
    declined="PAYMENT_NOT_APPROVED",
    expired="PAYMENT_NOT_APPROVED",
    no_funds="INSUFFICIENT_BALANCE",
    wrong_pin="PAYMENT_NOT_APPROVED",
    busy="UNSPECIFIED_FAILURE",
    approvals_code="le menu de votre operateur",
    sender="pawaPay",
    limit="PAYER_LIMIT_REACHED",
)
OUTGOING_WORDS: Final = OutgoingWords(
    no_float="PAWAPAY_WALLET_OUT_OF_FUNDS", limit="WALLET_LIMIT_REACHED", sender="pawaPay"
)
_NUMBER: Final = re.compile(r"[1-9]\d{7,14}", re.ASCII)


class _Requests(MoneyRequests):
    """What deposits, refunds and payouts do alike. `name`: pawaPay's word for the kind."""

    name = DEPOSIT

    def __init__(self, context: OperatorContext, signatures: Signatures, rate: RateLimit) -> None:
        super().__init__(context, rate)
        self._signatures = signatures

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`/v2/deposits`, `/v2/refunds` or `/v2/payouts`."""
        router.add_post(f"/v2/{self.name}s", self.take)
        router.add_get(f"/v2/{self.name}s/{{reference}}", self.show)

    def check(self, request: web.Request) -> str:
        token = read_bearer(request)
        if token is None:
            raise Refusal(error(401, "NO_AUTHENTICATION"))
        if not self.context.issued(api_token=token):
            raise Refusal(error(403, "AUTHENTICATION_ERROR"))
        return ""

    def broken(self, code: str) -> web.Response:
        return error(500, "UNKNOWN_ERROR")

    def too_many(self) -> web.Response:
        return answer(429, {"message": "Too many requests"})

    def unavailable(self) -> web.Response:
        return error(503, "UNKNOWN_ERROR")

    def not_found(self) -> web.Response:
        """What is not known is HTTP 200 too."""
        return answer(200, {"status": "NOT_FOUND"})

    def repeated(self, entry: Entry) -> web.Response:
        return received(entry, self.name, "DUPLICATE_IGNORED")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        return received(entry, self.name, "ACCEPTED")

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        data = shown(entry, self.name, faults)
        return answer(
            200, {"status": "FOUND", "data": data | ({"status": "IN_REVIEW"} if faults.status.unknown_word else {})}
        )

    async def find(self, request: web.Request, account: str) -> Entry | None:
        return self.known(read_reference(request.match_info["reference"], f"{self.name}Id"))

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        body = await read_object(request, error(400, "INVALID_INPUT"))
        reference = read_reference(text_field(body, f"{self.name}Id"), f"{self.name}Id")
        known = self.known(reference)
        if known is not None:
            raise Refusal(self.repeated(known))
        return self.read_fields(body, reference)

    @abstractmethod
    def read_fields(self, body: dict[str, Any], reference: str) -> Entry:
        """A request under a new reference. Raises Refusal."""

    def read_wallet(self, body: dict[str, Any], reference: str, party: str) -> dict[str, Any]:
        """Amount, currency, number and operator of a request that names a wallet. Raises Refusal."""
        amount, currency = text_field(body, "amount"), text_field(body, "currency")
        number, provider = read_party(body, party)
        network = NETWORKS.get(provider)
        code = text_field(body, "preAuthorisationCode", optional=True)
        if network is None:
            raise rejected(self.name, reference, "INVALID_PROVIDER")
        if party == "payer" and network.code_first and not code:
            raise Refusal(error(400, "MISSING_PARAMETER", "preAuthorisationCode is missing"))
        if code and not network.code_first:
            raise Refusal(error(400, "UNSUPPORTED_PARAMETER", "preAuthorisationCode"))
        if fault := amount_fault(amount):
            raise rejected(self.name, reference, fault)
        if currency != network.currency:
            raise rejected(self.name, reference, "INVALID_CURRENCY")
        if not _NUMBER.fullmatch(number):
            raise rejected(self.name, reference, "INVALID_PHONE_NUMBER")
        details = {"provider": provider, "code": code, "customerMessage": read_message(body)}
        return {"msisdn": f"+{number}", "amount": amount, "currency": currency, "details": details}

    def entry(self, reference: str, **fields: Any) -> Entry:  # noqa: ANN401 - fields of Entry
        """A request as the book keeps it."""
        usual: dict[str, Any] = {"external_id": "", "expires_at": time.time()}
        return Entry(operator=self.code, kind=self.kind, our_reference=reference, **{**usual, **fields})

    def number_of(self, entry: Entry) -> str:
        return number_of(entry)

    def sign(self, letter: Letter) -> Mapping[str, str]:
        return self._signatures.sign(letter)

    def news(self, entry: Entry) -> News:
        body = shown(entry, self.name, self.faults)
        url = self.context.credentials.get("callback_url", "")
        return News(url, body, {**body, "amount": str(entry.whole * 10)}, entry.msisdn)


class _Deposits(_Requests, PromptedRequests):
    """Money from a payer's wallet."""

    words = WORDS

    def __init__(self, context: OperatorContext, signatures: Signatures, rate: RateLimit) -> None:
        super().__init__(context, signatures, rate)
        self._codes = codes_of(context.phones)

    def read_fields(self, body: dict[str, Any], reference: str) -> Entry:
        order = text_field(body, "clientReferenceId", optional=True)[:REFERENCE_LENGTH_MAX]
        fields = self.read_wallet(body, reference, "payer")
        fields["details"]["clientReferenceId"] = order
        seconds = self.faults.expire_after_seconds or PAYER_SECONDS
        return self.entry(reference, external_id=order, expires_at=time.time() + seconds, **fields)

    def follow(self, entry: Entry) -> None:
        """Let a deposit run: by the payer's code, by a prompt, or to the end of a test number."""
        reason, network = ordained(entry), NETWORKS[entry.details["provider"]]
        if reason == STUCK:
            return
        self.open(entry, prompt=reason is None and not network.code_first)
        seconds = self.faults.prompt_delay_ms / 1000
        if reason is not None:
            self.context.courier.later(seconds, partial(self.finish, entry.our_reference, reason))
        elif network.code_first:
            self.context.courier.later(seconds, partial(self._try_code, entry))

    def _try_code(self, entry: Entry) -> None:
        """The code is handed in to Orange, who takes the money or not; the phone stays dark."""
        right = self._codes.use(entry.msisdn, entry.details["code"])
        if (right or self.faults.autopay) and not self.faults.autodecline:
            self.pay(entry.our_reference)
        else:
            self.finish(entry.our_reference, WORDS.declined)


class _Disbursements(_Requests, OutgoingRequests):
    """Money that leaves: refunds of deposits, or payouts to wallets."""

    outgoing_words = OUTGOING_WORDS

    def __init__(self, context: OperatorContext, signatures: Signatures, rate: RateLimit, kind: str) -> None:
        self.kind = self.name = kind
        super().__init__(context, signatures, rate)

    def refusal(self, entry: Entry) -> str | None:
        return ordained(entry)

    def follow(self, entry: Entry, after: float | None = None) -> None:
        if ordained(entry) != STUCK:
            super().follow(entry, after)

    def held(self, currency: str) -> int:
        """What the wallet of a currency's country holds: put in, collected, less what went out."""
        came_in = self.faults.float_balance + self.book.collected_total(self.code, currency)
        return came_in - self.book.disbursed_total(self.code, currency)

    def read_fields(self, body: dict[str, Any], reference: str) -> Entry:
        if self.kind == PAYOUT:
            return self.entry(reference, **self.read_wallet(body, reference, "recipient"))
        return self._refund(body, reference)

    def _refund(self, body: dict[str, Any], reference: str) -> Entry:
        deposit = text_field(body, "depositId")
        collected = self.book.find(self.code, deposit, COLLECTION)
        if collected is None:
            raise rejected(REFUND, reference, "NOT_FOUND")
        if collected.status is not Status.SUCCESSFUL:
            raise rejected(REFUND, reference, "INVALID_STATE")
        if any(
            is_processing(other) and other.details["refund_of"] == deposit
            for other in self.book.unfinished(self.code, REFUND)
        ):
            raise rejected(REFUND, reference, "REFUND_IN_PROGRESS")
        left = collected.whole - self.book.refunded_total(self.code, deposit)
        if left <= 0:
            raise rejected(REFUND, reference, "DEPOSIT_ALREADY_REFUNDED")
        amount = text_field(body, "amount", optional=True) or str(left)
        if fault := amount_fault(amount):
            raise rejected(REFUND, reference, fault)
        if text_field(body, "currency", optional=True) not in ("", collected.currency):
            raise rejected(REFUND, reference, "INVALID_CURRENCY")
        entry = self.entry(
            reference,
            external_id=deposit,
            msisdn=collected.msisdn,
            amount=amount,
            currency=collected.currency,
            details={"provider": collected.details["provider"], "refund_of": deposit, "depositId": deposit},
        )
        if entry.whole > left:
            raise rejected(REFUND, reference, "AMOUNT_TOO_LARGE")
        return entry

    async def start(self, entry: Entry) -> None:
        if ordained(entry) != STUCK:
            await super().start(entry)

    async def show_balances(self, request: web.Request) -> web.Response:
        """`GET /v2/wallet-balances[?country=CIV]`."""
        await self.enter(request)
        wanted = request.query.get("country")
        rows = [
            {"country": country, "balance": str(self.held(currency)), "currency": currency, "provider": ""}
            for country, currency in CURRENCIES.items()
            if wanted in (None, country)
        ]
        return answer(200, {"balances": rows})


def _build(context: OperatorContext) -> web.Application:
    """Everything under `/pawapay`. Requests live in the operators' book, the signing key in memory."""
    signatures, rate = Signatures(), RateLimit()
    deposits = _Deposits(context, signatures, rate)
    refunds, payouts = (_Disbursements(context, signatures, rate, kind) for kind in (REFUND, PAYOUT))

    async def show_keys(request: web.Request) -> web.Response:
        """`GET /v2/public-key/http`."""
        await deposits.enter(request)
        return answer(200, signatures.published())

    app = served(deposits.resume, refunds.resume, payouts.resume)
    for requests in (deposits, refunds, payouts):
        requests.add_routes(app.router)
    app.router.add_get("/v2/wallet-balances", payouts.show_balances)
    app.router.add_get("/v2/public-key/http", show_keys)
    return app


SANDBOX = Company(
    "pawapay",
    _build,
    demo={
        "API_TOKEN": "demo-token",
        "CALLBACK_URL": "{gateway}/api/webhooks/pawapay",
        # Behind the operators themselves: it stands in for them, and takes codes that payers fetch.
        "PRIORITY": "200",
    },
)
