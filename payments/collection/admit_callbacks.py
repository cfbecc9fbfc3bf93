"""Which callbacks are stored: every one that is proved, and of the others so many as strays may be.

A callback is proved by its URL's token or by its signature. What proves nothing has a rate for its address and
one for all addresses, in each process, before anything is written: a flood of forged calls fills no table and
delays no worker. Above the rate one is still stored where it names an open payment, refund or payout of ours,
a few times each: an operator that signs nothing, or whose keys are not here yet, may call only once.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

import structlog

from gateway.http.raw_exchange import RawRequest
from gateway.orders.routing import provider_of
from gateway.storage.doorbell import Doorbell, Work
from gateway.values.network import subject_of
from gateway.values.rates import Buckets, Rate
from payments.collection.callbacks import Callbacks, IncomingCallback, Taken
from payments.provider import CallbackDater, CallbackSigner, PaymentProvider

UNPROVED_OF_ONE_ADDRESS: Final = Rate(per_second=2, burst=60)
UNPROVED_IN_ALL: Final = Rate(per_second=20, burst=300)
# A payment is asked about once in ten seconds at most, however often its callback comes.
NAMING_ONE_PAYMENT: Final = Rate(per_second=0.1, burst=3)
_LOGGED: Final = Rate(per_second=1 / 60, burst=1)
_log = structlog.get_logger(__name__)


class _Accounts:
    """The accounts of one provider, and which of them know a signature or its time. `isinstance` with a protocol is
    slow: asked for each callback, it took more than the limits themselves."""

    def __init__(self) -> None:
        self.every: list[PaymentProvider] = []
        self.daters: list[CallbackDater] = []
        self.signers: list[CallbackSigner] = []

    def add(self, account: PaymentProvider) -> None:
        self.every.append(account)
        if isinstance(account, CallbackDater):
            self.daters.append(account)
        if isinstance(account, CallbackSigner):
            self.signers.append(account)


class CallbackAdmission:
    """`reference_in`: the payment that a token of ours names. `is_open`: whether a reference, or an order's code, is
    of money that is not decided. `clock`: seconds, going on. `limited`: whether strays have a rate."""

    def __init__(
        self,
        providers: Mapping[str, PaymentProvider],
        reference_in: Callable[[str], UUID | None],
        is_open: Callable[[UUID | None, str | None], Awaitable[bool]],
        clock: Callable[[], float] = time.monotonic,
        *,
        limited: bool = True,
    ) -> None:
        self._accounts: defaultdict[str, _Accounts] = defaultdict(_Accounts)
        for key, provider in providers.items():
            self._accounts[provider_of(key)].add(provider)
        self._reference_in = reference_in
        self._is_open = is_open
        self._clock = clock
        self._limited = limited
        self._of_one = Buckets(UNPROVED_OF_ONE_ADDRESS)
        self._of_all = Buckets(UNPROVED_IN_ALL)
        self._naming = Buckets(NAMING_ONE_PAYMENT)
        self._logged = Buckets(_LOGGED)
        self.refused: Counter[str] = Counter()
        """Callbacks that were not stored, by provider."""
        self.stale: Counter[str] = Counter()
        """Those that were signed too long ago, or in a time to come."""

    async def admits(self, callback: IncomingCallback) -> Taken:
        """Whether to store it. Raises DatabaseUnavailable."""
        request = RawRequest(callback.method, "", callback.headers, callback.body)
        accounts = self._accounts[callback.provider]
        if any(account.is_stale(request) for account in accounts.daters):
            self.stale[callback.provider] += 1
            _log.warning("callback_signed_at_another_time", provider=callback.provider, remote=callback.remote)
            return Taken.STALE
        may = not self._limited or await self._within_limits(callback, request, accounts)
        return Taken.STORED if may else Taken.TOO_MANY

    async def _within_limits(self, callback: IncomingCallback, request: RawRequest, accounts: _Accounts) -> bool:
        if callback.token is not None and self._reference_in(callback.token) is not None:
            return True
        signed = [account.is_signed(request) for account in accounts.signers]
        if True in signed:
            return True
        now, source = self._clock(), subject_of(callback.remote)
        if self._of_one.take(source, now) and self._of_all.take("", now):
            return True
        if (None in signed or not signed) and await self._names_open(accounts.every, request, now):
            return True
        self.refused[callback.provider] += 1
        if self._logged.take(source, now):
            refused = self.refused[callback.provider]
            _log.warning("callbacks_refused", provider=callback.provider, remote=source, refused=refused)
        return False

    async def _names_open(self, accounts: list[PaymentProvider], request: RawRequest, now: float) -> bool:
        for account in accounts:
            for hint in account.parse_callback(request, {}):
                if (hint.reference or hint.order_code) and await self._is_open(hint.reference, hint.order_code):
                    return self._naming.take(str(hint.reference or hint.order_code), now)
        return False


async def store_callback(
    admission: CallbackAdmission, callbacks: Callbacks, doorbell: Doorbell, callback: IncomingCallback
) -> Taken:
    """Durable when it returns that it is stored; judged later. Raises DatabaseUnavailable."""
    taken = await admission.admits(callback)
    if taken is Taken.STORED:
        await callbacks.store(callback)
        doorbell.ring(Work.CALLBACKS)
    return taken
