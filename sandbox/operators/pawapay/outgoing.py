"""pawaPay's refunds of deposits and payouts to wallets, both out of the one wallet of a country."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from sandbox.operators.book import AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.outgoing import Outgoing, OutgoingWords
from sandbox.operators.pawapay.messages import (
    CURRENCIES,
    NETWORKS,
    STUCK,
    amount_fault,
    answered_after,
    is_processing,
    number_of,
    ordained,
    read_body,
    read_message,
    read_party,
    read_reference,
    received,
    refused_before,
    rejected,
    shown,
    text_field,
)
from sandbox.operators.pawapay.signing import Signatures
from sandbox.operators.wire import Lottery, answer, pause

REFUND: Final = "refund"
PAYOUT: Final = "payout"
WORDS: Final = OutgoingWords(no_float="PAWAPAY_WALLET_OUT_OF_FUNDS", limit="WALLET_LIMIT_REACHED", sender="pawaPay")
ShowStatus = Callable[[web.Request, str, str, bool], web.Response]


class Disbursements:
    """Money that leaves. `check`: who calls. `show`: the answer to a status question."""

    def __init__(
        self,
        context: OperatorContext,
        signatures: Signatures,
        *,
        check: Callable[[web.Request], None],
        show: ShowStatus,
    ) -> None:
        self._context = context
        self._check = check
        self._show = show
        self._callbacks = Callbacks(context, disbursements=True, sign=signatures.sign)
        self._lottery = Lottery()
        self._outgoing = Outgoing(
            context,
            WORDS,
            refusal=ordained,
            number_of=number_of,
            announce=self._announce,
            available=lambda entry: self.held(entry.currency),
        )

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`/v2/refunds`, `/v2/payouts`, `/v2/wallet-balances`."""
        for kind in (REFUND, PAYOUT):
            router.add_post(f"/v2/{kind}s", partial(self.ask, kind))
            router.add_get(f"/v2/{kind}s/{{reference}}", partial(self.show, kind))
        router.add_get("/v2/wallet-balances", self.show_balances)

    def resume(self) -> None:
        """Go on with what a former process left open."""
        for kind in (REFUND, PAYOUT):
            for entry in self._context.book.unfinished(self._context.code, kind):
                if ordained(entry) != STUCK:
                    self._outgoing.follow(entry)

    def held(self, currency: str) -> int:
        """What the wallet of a currency's country holds: put in, collected, less what went out."""
        book, code = self._context.book, self._context.code
        came_in = self._context.outgoing_faults.float_balance + book.collected_total(code, currency)
        return came_in - book.disbursed_total(code, currency)

    async def ask(self, kind: str, request: web.Request) -> web.Response:
        """`POST /v2/refunds` or `POST /v2/payouts`."""
        faults = self._context.outgoing_faults
        await pause(faults.latency_ms)
        self._check(request)
        ordered = self._lottery.draw(faults.request)
        refused = refused_before(request, ordered)
        if refused is not None:
            return refused
        body = await read_body(request)
        reference = read_reference(text_field(body, f"{kind}Id"), f"{kind}Id")
        known = self._context.book.find(self._context.code, reference, kind)
        if known is not None:
            return received(known, kind, "DUPLICATE_IGNORED")
        entry = self._refund(body, reference) if kind == REFUND else self._payout(body, reference)
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            return received(entry, kind, "DUPLICATE_IGNORED")
        self._context.courier.concerns(request, entry.msisdn)
        if ordained(entry) != STUCK:
            await self._outgoing.start(entry, self._forge)
        return answered_after(request, ordered, entry, kind)

    def _refund(self, body: dict[str, object], reference: str) -> Entry:
        book, code = self._context.book, self._context.code
        deposit = text_field(body, "depositId")
        collected = book.find(code, deposit)
        if collected is None:
            raise rejected(REFUND, reference, "NOT_FOUND")
        if collected.status is not Status.SUCCESSFUL:
            raise rejected(REFUND, reference, "INVALID_STATE")
        if any(is_processing(other) for other in book.unfinished(code, REFUND) if _is_of(other, deposit)):
            raise rejected(REFUND, reference, "REFUND_IN_PROGRESS")
        left = collected.whole - book.refunded_total(code, deposit)
        if left <= 0:
            raise rejected(REFUND, reference, "DEPOSIT_ALREADY_REFUNDED")
        amount = text_field(body, "amount", optional=True) or str(left)
        if fault := amount_fault(amount):
            raise rejected(REFUND, reference, fault)
        if text_field(body, "currency", optional=True) not in ("", collected.currency):
            raise rejected(REFUND, reference, "INVALID_CURRENCY")
        details = {"provider": collected.details["provider"], "refund_of": deposit, "depositId": deposit}
        entry = self._entry(REFUND, reference, collected.msisdn, amount, collected.currency, details)
        if entry.whole > left:
            raise rejected(REFUND, reference, "AMOUNT_TOO_LARGE")
        return entry

    def _payout(self, body: dict[str, object], reference: str) -> Entry:
        amount, currency = text_field(body, "amount"), text_field(body, "currency")
        number, provider = read_party(body, "recipient")
        network = NETWORKS.get(provider)
        if network is None:
            raise rejected(PAYOUT, reference, "INVALID_PROVIDER")
        if fault := amount_fault(amount):
            raise rejected(PAYOUT, reference, fault)
        if currency != network.currency:
            raise rejected(PAYOUT, reference, "INVALID_CURRENCY")
        if not number.isascii() or not number.isdigit() or not 8 <= len(number) <= 15:
            raise rejected(PAYOUT, reference, "INVALID_PHONE_NUMBER")
        details = {"provider": provider, "customerMessage": read_message(body)}
        return self._entry(PAYOUT, reference, f"+{number}", amount, currency, details)

    def _entry(
        self, kind: str, reference: str, msisdn: str, amount: str, currency: str, details: dict[str, str]
    ) -> Entry:
        return Entry(
            operator=self._context.code,
            kind=kind,
            our_reference=reference,
            external_id=details.get("refund_of", ""),
            msisdn=msisdn,
            amount=amount,
            currency=currency,
            expires_at=time.time(),
            details=details,
        )

    async def show(self, kind: str, request: web.Request) -> web.Response:
        """`GET /v2/refunds/{reference}`, `GET /v2/payouts/{reference}`."""
        await pause(self._context.outgoing_faults.latency_ms)
        return self._show(request, kind, kind, True)

    async def show_balances(self, request: web.Request) -> web.Response:
        """`GET /v2/wallet-balances[?country=CIV]`."""
        await pause(self._context.outgoing_faults.latency_ms)
        self._check(request)
        wanted = request.query.get("country")
        rows = [
            {"country": country, "balance": str(self.held(currency)), "currency": currency, "provider": ""}
            for country, currency in CURRENCIES.items()
            if wanted in (None, country)
        ]
        return answer(200, {"balances": rows})

    async def _announce(self, entry: Entry) -> None:
        if url := self._context.credentials.get("callback_url"):
            await self._callbacks.send(self._news(entry, url))

    async def _forge(self, entry: Entry) -> None:
        if url := self._context.credentials.get("callback_url"):
            await self._callbacks.send_forged(self._news(entry, url))

    def _news(self, entry: Entry, url: str) -> News:
        body = shown(entry, entry.kind, self._context.outgoing_faults)
        return News(url, body, {**body, "amount": str(entry.whole * 10)}, entry.msisdn)


def _is_of(entry: Entry, deposit: str) -> bool:
    return entry.details["refund_of"] == deposit
