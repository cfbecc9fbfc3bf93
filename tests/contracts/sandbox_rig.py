"""One provider, and its operator in the simulated country: real HTTP between the two.

The section `sandbox` of a case file says what is the operator's own: `country`, `amount`, `payer`,
`stranger` (a number without a wallet there, or null), `settings` laid over those of the file,
`outcomes` (situation → reason that payers read, null where the operator gives none), and for
those who give money out `disbursement` with its own `outcomes` and `phone`: whether payees have a
wallet and a phone; `whole`: refunds are of whole collections, are known by these, and are not called back.
`callback_path`: where an operator calls that has one address for the whole account. `{gateway}` in a
setting stands for the gateway's address.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest import mock
from uuid import uuid4

from gateway.values.money import Money
from payments.http_call import HttpCaller, Outcome, Timeouts
from payments.provider import (
    Accepted,
    BalanceTeller,
    Capabilities,
    Collection,
    Disbursement,
    Disburser,
    Failed,
    Hint,
    HolderChecker,
    Kind,
    PaymentProvider,
    Purpose,
    Redirect,
    StatusReport,
    Succeeded,
)
from tests.contracts.provider_cases import REGISTRATIONS, case_files, collection, read_file, read_money
from tests.sandbox.country import Country

FINAL_SECONDS = 20.0


def has_sandbox_case(code: str) -> bool:
    """Whether the case file says how the provider meets its operator; a test asks it of all."""
    return code in case_files() and "sandbox" in read_file(code)


def sandbox_case(code: str) -> dict[str, Any]:
    """The section `sandbox` of a case file."""
    found: dict[str, Any] = read_file(code)["sandbox"]
    return found


def settings_for(code: str) -> dict[str, Any]:
    """What the provider is configured with where it meets its operator."""
    file = read_file(code)
    return {**file["settings"], **file["sandbox"].get("settings", {})}


def build_for(code: str, base_url: str, gateway_url: str = "https://gateway.example") -> PaymentProvider:
    """The provider, pointed at an operator."""
    settings = {
        name: value.replace("{gateway}", gateway_url) if isinstance(value, str) else value
        for name, value in {**settings_for(code), "base_url": base_url}.items()
    }
    registration = REGISTRATIONS[code]
    built: PaymentProvider = registration.build(registration.settings.model_validate(settings))
    return built


def abilities(code: str) -> Capabilities:
    """What the provider can do in the country of its case file."""
    provider = build_for(code, "https://unknown.example")
    can = provider.capabilities(sandbox_case(code)["country"])
    asyncio.run(provider.aclose())
    return can


class Rig:
    """Asks the provider, orders faults from the operator, and looks at the operator's own books."""

    def __init__(self, code: str, country: Country, provider: PaymentProvider) -> None:
        self.code = code
        self.case = sandbox_case(code)
        self.country = country
        self.provider = provider
        self.amount = read_money(self.case["amount"])
        self.can = provider.capabilities(self.case["country"])

    @property
    def disburser(self) -> Disburser:
        return cast(Disburser, self.provider)

    @property
    def teller(self) -> BalanceTeller:
        return cast(BalanceTeller, self.provider)

    @property
    def checker(self) -> HolderChecker:
        return cast(HolderChecker, self.provider)

    async def order(self, **faults: Any) -> None:
        """Lay faults over a good day; those ordered before are forgotten."""
        status = {"rate_limit_per_second": 0, **faults.pop("status", {})}
        await self.country.order(reset=True, **{"prompt_delay_ms": 0, "status": status, **faults})

    def new_collection(self, **given: Any) -> Collection:
        """An order without a prompt."""
        reference = uuid4()
        values = {
            "reference": reference,
            "country": self.case["country"],
            "order_code": f"SP{reference.hex[:12].upper()}",
            "payer": self.case["payer"],
            "callback_url": f"{self.country.gateway_url}/api/webhooks/{self.code}/{reference.hex}",
            "return_url": "https://vote.example/v/1",
            "amount": self.case["amount"],
            **given,
        }
        return collection(self.code, values)

    async def prepared(self, asked: Collection) -> Collection:
        """With what the provider wants kept before money is asked for, where it does."""
        prepare = getattr(self.provider, "prepare", None)
        if prepare is None or asked.secrets:
            return asked
        kept = await prepare(asked)
        return replace(asked, secrets=kept) if isinstance(kept, Mapping) else asked

    async def create(self, asked: Collection) -> tuple[Any, Collection]:
        """The result, and the payment as it is stored afterwards."""
        asked = await self.prepared(asked)
        result = await self.provider.create(asked)
        if isinstance(result, Accepted | Redirect):
            reference = result.provider_reference or asked.provider_reference
            secrets = {**asked.secrets, **getattr(result, "secrets", {})}
            asked = replace(asked, provider_reference=reference, secrets=secrets)
        return result, asked

    async def collected(self) -> Collection:
        """A collection that was paid, as it is stored afterwards."""
        await self.order(autopay=True)
        result, asked = await self.create(self.new_collection())
        assert isinstance(result, Accepted | Redirect), result
        report = await self.final(asked)
        assert isinstance(report, Succeeded), report
        await self.order()
        # Its callback may be on its way still, and must not be taken for one of what comes next.
        await self.country.until(lambda: self.country.received, FINAL_SECONDS)
        self.country.received.clear()
        return replace(asked, provider_reference=report.provider_reference or asked.provider_reference)

    def disbursement(
        self, purpose: Purpose, collected: Collection | None, amount: Money | None = None, **given: Any
    ) -> Disbursement:
        """Money to go out, under a reference of its own."""
        reference = uuid4()
        values: dict[str, Any] = {
            "reference": reference,
            "purpose": purpose,
            "country": self.case["country"],
            "amount": amount or self.amount,
            "description": "Rendu : 5 votes pour Aya & Co",
            "callback_url": f"{self.country.gateway_url}/api/webhooks/{self.code}/{reference.hex}",
            "payee": self.case["payer"],
            "collection": collected if purpose is Purpose.REFUND else None,
            "base_url": self.provider.base_url,
            **given,
        }
        return Disbursement(**values)

    async def disburse(self, asked: Disbursement) -> tuple[Any, Disbursement]:
        """The result, and the disbursement as it is stored afterwards."""
        result = await self.disburser.disburse(asked)
        if isinstance(result, Accepted) and result.provider_reference:
            asked = replace(asked, provider_reference=result.provider_reference)
        return result, asked

    async def final(self, asked: Collection | Disbursement) -> StatusReport:
        """Ask until the end is known."""
        report: StatusReport | None = None
        question: Callable[[], Awaitable[StatusReport]]
        if isinstance(asked, Collection):
            question = lambda: self.provider.query(asked)  # noqa: E731 - one of two questions
        else:
            question = lambda: self.disburser.query_disbursement(asked)  # noqa: E731 - the other
        try:
            async with asyncio.timeout(FINAL_SECONDS):
                while not isinstance(report, Succeeded | Failed):
                    report = await question()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"no end, only {report}") from None
        return report

    async def lines(self, *, out: bool) -> list[dict[str, str]]:
        """Lines of the operator's statement: money that came in, or that went `out`."""
        async with self.country.client.get(f"/statement/{self.code}.csv") as response:
            found = list(csv.DictReader(io.StringIO(await response.text())))
        return [line for line in found if (line["kind"] != "collection") == out]

    async def wallet(self) -> int:
        """What the payer's wallet holds, in whole units."""
        _, phone = await self.country.json("GET", f"/phones/{self.case['payer']}")
        return int(phone["wallets"][self.code])

    async def callbacks(self, count: int, secrets: Mapping[str, str] | None = None) -> list[tuple[Hint, ...]]:
        """What the provider reads in the callbacks, once so many have come."""
        await self.country.until(lambda: len(self.country.received) >= count, seconds=FINAL_SECONDS)
        return [self.provider.parse_callback(request, secrets or {}) for request in self.country.received]

    def callback_path(self, wanted: Collection | Disbursement) -> str:
        """Where the operator calls about it."""
        return str(self.case.get("callback_path", f"/api/webhooks/{self.code}/{wanted.reference.hex}"))

    async def warm(self) -> None:
        """Ask about an unknown payment, so that tokens are there when the operator becomes slow."""
        await self.provider.query(with_handle(self.new_collection()))
        if self.can.can_refund or self.can.can_pay_out:
            purpose = Purpose.PAYOUT if self.can.can_pay_out else Purpose.REFUND
            await self.disburser.query_disbursement(self.disbursement(purpose, self.new_collection()))


@asynccontextmanager
async def rig_for(code: str, data_dir: Path) -> AsyncIterator[Rig]:
    """A country of its own, whose operator issued to us just what the provider is configured with."""
    issued = {name: str(value) for name, value in settings_for(code).items() if name != "status_per_second"}
    async with Country(data_dir, {code: issued}) as country:
        provider = build_for(code, str(country.client._base_url).rstrip("/") + f"/{code}", country.gateway_url)
        rig = Rig(code, country, provider)
        await rig.order()
        try:
            yield rig
        finally:
            await provider.aclose()


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """Calls give up after so long."""
    usual = HttpCaller.call

    async def call(self: HttpCaller, method: str, url: str, *, timeouts: Timeouts, **more: Any) -> Outcome:
        short = replace(timeouts, read=seconds, total=seconds)
        return await usual(self, method, url, timeouts=short, **more)

    with mock.patch.object(HttpCaller, "call", call):
        yield


def with_handle(asked: Collection) -> Collection:
    """With some handle of the operator's, where a question needs one."""
    return replace(asked, secrets={"pay_token": "unknown", **asked.secrets})


def is_push(can: Capabilities) -> bool:
    """Whether the payer is asked on the phone."""
    return Kind.PUSH in can.kinds
