"""A provider that answers from a test's script and records what it was asked."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from gateway.http.raw_exchange import RawRequest
from gateway.values.money import Money
from payments.provider import (
    Accepted,
    Balance,
    Capabilities,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Hint,
    Kind,
    Recovery,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Wallet,
)


@dataclass
class ScriptedProvider:
    """Answers from scripts: the last answer of a script is repeated for ever."""

    code: str = "mtn_momo"
    base_url: str = "http://operator.test"
    create_script: list[CreateResult] = field(default_factory=lambda: [Accepted()])
    query_script: list[StatusReport] = field(default_factory=lambda: [StillOpen("PENDING")])
    can: Capabilities = field(
        default_factory=lambda: Capabilities(
            kinds=frozenset({Kind.PUSH}),
            currencies=frozenset({"XOF"}),
            open_seconds=330,
            ladder_seconds=(10, 20, 30),
            status_per_second=1000,
            phone_needed=True,
            recovery=Recovery.ASK,
        )
    )
    disburse_script: list[DisburseResult] = field(default_factory=lambda: [Accepted()])
    outgoing_script: list[StatusReport] = field(default_factory=lambda: [StillOpen("PENDING")])
    holds: Balance | Unavailable = field(default_factory=lambda: Unavailable("not asked for"))
    disbursed: list[Disbursement] = field(default_factory=list)
    asked_out: list[UUID] = field(default_factory=list)
    created: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    asked: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))

    def capabilities(self, country: str) -> Capabilities:
        return self.can

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        self.created[collection.reference] += 1
        return self.create_script.pop(0) if len(self.create_script) > 1 else self.create_script[0]

    async def query(self, collection: Collection) -> StatusReport:
        self.asked[collection.reference] += 1
        return self.query_script.pop(0) if len(self.query_script) > 1 else self.query_script[0]

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        self.disbursed.append(disbursement)
        return self.disburse_script.pop(0) if len(self.disburse_script) > 1 else self.disburse_script[0]

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        self.asked_out.append(disbursement.reference)
        return self.outgoing_script.pop(0) if len(self.outgoing_script) > 1 else self.outgoing_script[0]

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        return self.holds

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return ()
        if not isinstance(body, dict):
            return ()
        proof = None
        if body.get("proof"):
            proof = Succeeded(Money(body["amount"], "XOF"), "op-1", request.body.decode())
        return (Hint(str(body.get("status")), body.get("order_code"), proof=proof),)

    async def aclose(self) -> None:
        """Nothing is open."""


def paid(amount_minor: int = 500, currency: str = "XOF") -> Succeeded:
    """The operator took this much."""
    return Succeeded(Money(amount_minor, currency), "op-1", "{}")
