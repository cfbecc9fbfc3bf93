"""Callbacks that prove something are always stored; of the others only so many."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
import stripe
from structlog.testing import capture_logs

from gateway.http.raw_exchange import RawRequest
from gateway.storage.doorbell import Work
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.vault import Vault
from payments.collection.admit_callbacks import (
    NAMING_ONE_PAYMENT,
    UNPROVED_IN_ALL,
    UNPROVED_OF_ONE_ADDRESS,
    CallbackAdmission,
    store_callback,
)
from payments.collection.callbacks import Callbacks, IncomingCallback, Taken
from payments.providers.stripe.provider import Settings, Stripe
from tests.rigs.rig import SECRET_KEY, SilentDoorbell
from tests.rigs.scripted_provider import ScriptedProvider

VAULT = Vault(SECRET_KEY)
MANY = UNPROVED_IN_ALL.burst * 3


class Signing(ScriptedProvider):
    """Signs with one word; `unsure` while its keys are not here."""

    unsure = False

    def is_signed(self, request: RawRequest) -> bool | None:
        return None if self.unsure else request.headers.get("signature") == "genuine"


@dataclass
class Door:
    """An admission with a clock of its own, and what is open."""

    open_codes: set[str] = field(default_factory=set)
    asked: list[str | None] = field(default_factory=list)
    away: bool = False
    now: float = 1_000.0

    def __post_init__(self) -> None:
        self.signing = Signing(code="stripe")
        providers = {"mtn_momo": ScriptedProvider(), "mtn_momo@cm": ScriptedProvider(), "stripe": self.signing}
        self.admission = CallbackAdmission(providers, VAULT.reference_in, self.is_open, lambda: self.now)

    async def is_open(self, reference: UUID | None, code: str | None) -> bool:
        self.asked.append(code)
        if self.away:
            raise DatabaseUnavailable("away")
        return code in self.open_codes

    async def admits(
        self,
        provider: str = "mtn_momo",
        body: bytes = b"{}",
        *,
        remotes: Iterable[str] = ("203.0.113.5",) * MANY,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        """How many of these are stored."""
        calls = [IncomingCallback(provider, token, "POST", headers or {}, body, remote) for remote in remotes]
        return sum([await self.admission.admits(call) is Taken.STORED for call in calls])


async def test_a_token_of_ours_always_passes() -> None:
    door = Door()
    await door.admits()
    assert await door.admits(token=VAULT.callback_token(uuid4())) == MANY
    assert door.asked == []


async def test_a_signature_always_passes_and_a_wrong_one_does_not() -> None:
    door = Door()
    assert await door.admits("stripe", headers={"signature": "forged"}) == UNPROVED_OF_ONE_ADDRESS.burst
    assert await door.admits("stripe", headers={"signature": "genuine"}) == MANY
    assert door.asked == []


@pytest.mark.parametrize(
    ("remotes", "stored"),
    [
        (["203.0.113.5"] * MANY, UNPROVED_OF_ONE_ADDRESS.burst),
        ([f"2001:db8::{n:x}" for n in range(MANY)], UNPROVED_OF_ONE_ADDRESS.burst),
        ([f"::ffff:203.0.113.{n % 2}" for n in range(MANY)], UNPROVED_OF_ONE_ADDRESS.burst * 2),
        ([f"10.0.{n // 250}.{n % 250}" for n in range(MANY)], UNPROVED_IN_ALL.burst),
        ([f"2001:db8:{n:x}::1" for n in range(MANY)], UNPROVED_IN_ALL.burst),
    ],
)
async def test_what_proves_nothing_has_a_rate_for_its_address_and_one_in_all(remotes: list[str], stored: int) -> None:
    assert await Door().admits(remotes=remotes, token="not-a-token-of-ours") == stored


async def test_the_rate_goes_on_and_refusals_are_counted_and_logged_once_a_minute() -> None:
    door = Door()
    with capture_logs() as lines:
        assert await door.admits() == UNPROVED_OF_ONE_ADDRESS.burst
        door.now += 10
        assert await door.admits() == 10 * UNPROVED_OF_ONE_ADDRESS.per_second
    refused = 2 * MANY - UNPROVED_OF_ONE_ADDRESS.burst - 10 * UNPROVED_OF_ONE_ADDRESS.per_second
    assert door.admission.refused == {"mtn_momo": refused}
    assert [line["event"] for line in lines] == ["callbacks_refused"]


async def test_one_that_names_an_open_payment_passes_a_few_times() -> None:
    door = Door(open_codes={"SPOPEN"})
    await door.admits()
    assert await door.admits(body=b'{"order_code": "SPOPEN", "status": "x"}') == NAMING_ONE_PAYMENT.burst
    assert await door.admits(body=b'{"order_code": "SPOVER", "status": "x"}') == 0
    door.now += 1 / NAMING_ONE_PAYMENT.per_second
    await door.admits()
    assert await door.admits(body=b'{"order_code": "SPOPEN", "status": "x"}') == 1


@pytest.mark.parametrize(("unsure", "passing"), [(False, 0), (True, NAMING_ONE_PAYMENT.burst)])
async def test_what_it_names_matters_only_while_a_signature_cannot_be_checked(unsure: bool, passing: int) -> None:
    door = Door(open_codes={"SPOPEN"})
    await door.admits("stripe")
    door.signing.unsure = unsure
    assert await door.admits("stripe", b'{"order_code": "SPOPEN", "status": "x"}') == passing


async def test_while_no_process_can_look_the_caller_is_answered_to_come_again() -> None:
    door = Door(away=True)
    await door.admits(body=b'{"order_code": "SPOPEN", "status": "x"}', remotes=["203.0.113.5"] * 60)
    with pytest.raises(DatabaseUnavailable):
        await door.admits(body=b'{"order_code": "SPOPEN", "status": "x"}')


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize(("age", "taken"), [(299, Taken.STORED), (301, Taken.STALE), (-301, Taken.STALE)])
async def test_a_signature_of_another_time_is_refused_and_counted(limited: bool, age: int, taken: Taken) -> None:
    now = 1_796_000_000
    settings = Settings.model_validate({"secret_key": "sk_test_1", "webhook_secret": "whsec_1"})
    door = CallbackAdmission(
        {"stripe": Stripe(settings, clock=lambda: now)}, VAULT.reference_in, Door().is_open, limited=limited
    )
    header = stripe.WebhookSignature.generate_signature_header("{}", "whsec_1", now - age)
    call = IncomingCallback("stripe", None, "POST", {"stripe-signature": header}, b"{}", "203.0.113.5")
    assert await door.admits(call) is taken
    assert door.stale == ({"stripe": 1} if taken is Taken.STALE else {})
    stranger = IncomingCallback("stripe", None, "POST", {"stripe-signature": header + "0"}, b"{}", "203.0.113.5")
    assert await door.admits(stranger) is Taken.STORED


class SlowStore(Callbacks):
    """Stores nothing before it is let."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def store(self, callback: IncomingCallback) -> None:
        await self.may.wait()


async def test_a_callback_is_taken_when_it_is_durable_and_not_before() -> None:
    slow, doorbell = SlowStore(), SilentDoorbell()
    callback = IncomingCallback("mtn_momo", None, "POST", {}, b"{}", "203.0.113.5")
    taking = asyncio.create_task(store_callback(Door().admission, slow, doorbell, callback))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not taking.done()
    assert doorbell.rung == []
    slow.may.set()
    assert await taking is Taken.STORED
    assert doorbell.rung == [Work.CALLBACKS]
