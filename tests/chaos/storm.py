"""One storm: voters on several channels, a killer, then the count.

The operator's own statement is the witness for the money, PostgreSQL's tally for the votes, and
the invariants of `payments.ledger.audit` for everything between.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import text

from gateway.storage.engine import make_engine
from payments.ledger.audit import audit_money
from tests.country import Country

VICTIMS = ("worker", "serve", "valkey")
# How long voters keep trying to place one order: longer than any restart takes.
TIMEOUT_SECONDS = 60
QUIET_SECONDS_MAX = 300
# How the last screen of an order begins; the demonstration speaks French.
_CONFIRMATION = "Merci! Tapez votre code secret"


@dataclass
class Report:
    """What happened."""

    seed: int
    orders: int = 0
    confirmed: int = 0
    refused: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    votes: int = 0
    counted_minor: int = 0
    collected_minor: int = 0
    payments: dict[str, int] = field(default_factory=dict)
    receipts: int = 0
    receipts_twice: int = 0
    gateway_away: list[float] = field(default_factory=list)
    recovery_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = [
            f"seed {self.seed}",
            f"orders placed {self.orders}, of which confirmed at once {self.confirmed}; not placed {self.refused}",
            f"faults {sum(self.kills.values())}: {dict(self.kills)}",
            f"seconds from a gateway's kill to the next answer: {', '.join(f'{n:.1f}' for n in self.gateway_away)}",
            f"payments {self.payments}",
            f"votes counted {self.votes}, money counted {self.counted_minor}, "
            f"money collected {self.collected_minor} (operator's statement)",
            f"receipts {self.receipts}, sent twice {self.receipts_twice}",
            f"quiet {self.recovery_seconds:.1f} s after the last fault",
            f"violations {len(self.violations)}",
            *(f"  - {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)


class Storm:
    """Casts `votes` orders at a running country and kills `kills` times, each time after an order
    that chance chose; every kind of process is killed once before one is killed twice."""

    def __init__(self, country: Country, *, votes: int, seed: int, kills: int, at_once: int = 12) -> None:
        self._country = country
        self._votes = votes
        self._random = random.Random(seed)
        self._kill_after = sorted(self._random.sample(range(votes // 10, votes * 9 // 10), kills))
        self._victims: list[str] = []
        self._tried = 0
        self._confirmed: list[str] = []
        self._texts = 0
        self._at_once = asyncio.Semaphore(at_once)
        self._client = httpx.AsyncClient(timeout=20)
        self._printed_at = 0.0
        self._timing: list[asyncio.Task[None]] = []
        self.report = Report(seed)

    async def run(self) -> Report:
        """Vote under fire, wait for quiet, count."""
        self._country.control(autopay=True)
        numbers = [f"+22505{self._random.randrange(10**8):08d}" for _ in range(self._votes)]
        async with self._client:
            await asyncio.gather(*(self._vote(n, number) for n, number in enumerate(numbers)))
            await asyncio.gather(*self._timing)
        await self._count()
        return self.report

    async def _vote(self, serial: int, number: str) -> None:
        async with self._at_once:
            await asyncio.sleep(self._random.random() * 0.3)
            draw = self._random.random()
            if draw < 0.6:
                placed = confirmed = await self._by_api(serial, number)
            elif draw < 0.9:
                placed = confirmed = await self._by_ussd(number)
            else:
                # Nothing is promised before the receipt.
                placed, confirmed = await self._by_text(number), False
            if confirmed:
                self._confirmed.append(number)
            self.report.orders += placed
            self.report.refused += not placed
            self._tried += 1
            if self._kill_after and self._tried >= self._kill_after[0]:
                self._kill_after.pop(0)
                self._kill()
            self._progress()

    async def _by_api(self, serial: int, number: str) -> bool:
        """A client that repeats the same request with the same key until it has an answer."""
        body = {
            "contest": "star",
            "candidateCode": f"{self._random.randrange(12) + 1:02d}",
            "quantity": self._random.randrange(1, 9),
            "paymentMethod": "MTN_MOBILE_MONEY",
            "voterPhone": number,
        }
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await self._client.post(
                    f"{self._country.gateway_url}/api/votes/initiate",
                    json=body,
                    headers={"Idempotency-Key": f"storm-{self.report.seed}-{serial}"},
                )
                if answer.status_code == 201:
                    return True
                if answer.status_code < 500:
                    self.report.violations.append(f"a good order was answered {answer.status_code}: {answer.text}")
                    return False
            # anyio's error for a connection that was closed while it was made.
            except (httpx.HTTPError, AttributeError):
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.3)
        return False

    async def _by_ussd(self, number: str) -> bool:
        code = f"*789*{self._random.randrange(12) + 1:02d}*{self._random.randrange(1, 9)}*1#"
        answer = await self._post(f"/phones/{number}/dial", {"code": code})
        # While the gateway is away the network has a screen of its own.
        return answer is not None and _CONFIRMATION in answer.json()["screen"]

    async def _by_text(self, number: str) -> bool:
        words = f"VOTE {self._random.randrange(12) + 1:02d} x{self._random.randrange(1, 9)}"
        taken = await self._post(f"/phones/{number}/sms", {"to": "7890", "text": words}) is not None
        self._texts += taken
        return taken

    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response | None:
        """A voter tries once: a failed dial is a voter lost, never a wrong count."""
        try:
            answer = await self._client.post(f"{self._country.sandbox_url}{path}", json=body)
        except httpx.HTTPError:
            return None
        return answer if answer.is_success else None

    def _kill(self) -> None:
        if not self._victims:
            self._victims = self._random.sample(VICTIMS, len(VICTIMS))
        running = self._country.pids()
        for victim in list(self._victims):
            try:
                os.kill(running[victim], signal.SIGKILL)
            except (KeyError, ProcessLookupError):
                continue  # killed a moment ago and not back yet: the next one's turn
            self._victims.remove(victim)
            self.report.kills[victim] += 1
            if victim == "valkey":
                self._delete_redis_data()
            if victim == "serve":
                self._timing.append(asyncio.create_task(self._time_gateway()))
            return

    async def _time_gateway(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + TIMEOUT_SECONDS:
            with contextlib.suppress(httpx.HTTPError):
                if (await self._client.get(f"{self._country.gateway_url}/healthz")).is_success:
                    break
            await asyncio.sleep(0.05)
        self.report.gateway_away.append(time.monotonic() - began)

    def _delete_redis_data(self) -> None:
        data = self._country.home / "valkey"
        for entry in data.iterdir() if data.is_dir() else ():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)

    def _progress(self) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._printed_at > 1:
            self._printed_at = time.monotonic()
            print(f"  {self.report.orders} orders, {sum(self.report.kills.values())} faults", file=sys.stderr)

    async def _count(self) -> None:
        engine = make_engine(self._country.environment()["DATABASE_URL"], pool_size=2, statement_timeout_ms=60_000)
        began = time.monotonic()
        try:
            await self._wait_for_quiet(engine)
            self.report.recovery_seconds = time.monotonic() - began
            await self._compare(engine)
        finally:
            await engine.dispose()

    async def _wait_for_quiet(self, engine: Any) -> None:
        # A text that found the gateway away is in no table until the carrier brings it again, a minute later.
        owed = text("""
          select (select greatest(0, :texts - count(*)) from messages_in)
            + (select count(*) from payments where status in ('created','sent','pending','confirmed','surplus'))
            + (select count(*) from callbacks where handled_at is null)
            + (select count(*) from messages_in where handled_at is null)
            + (select count(*) from messages_out where status in ('due', 'sending'))
        """)
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        left = -1
        while time.monotonic() < deadline:
            async with engine.connect() as connection:
                left = (await connection.execute(owed, {"texts": self._texts})).scalar_one()
            if left == 0:
                return
            await asyncio.sleep(0.3)
        self.report.violations.append(f"{left} pieces of work are still owed after {QUIET_SECONDS_MAX} s")

    async def _compare(self, engine: Any) -> None:
        report = self.report
        async with engine.connect() as connection:
            tally = (
                await connection.execute(
                    text("select coalesce(sum(quantity), 0), coalesce(sum(amount_minor), 0) from tally_entries")
                )
            ).one()
            states = (await connection.execute(text("select status, count(*) from payments group by 1"))).all()
            references = set((await connection.execute(text("select cast(reference as text) from payments"))).scalars())
        report.votes, report.counted_minor = int(tally[0]), int(tally[1])
        report.payments = {status: count for status, count in states}
        lines = [line for provider in ("mtn_momo", "orange_money") for line in self._country.statement(provider)]
        lines = [line for line in lines if line["kind"] == "collection"]
        report.collected_minor = sum(int(line["amount"]) for line in lines)
        if report.collected_minor != report.counted_minor:
            report.violations.append(f"collected {report.collected_minor}, counted {report.counted_minor}")
        if report.votes * 100 != report.counted_minor:
            report.violations.append(f"{report.votes} votes for {report.counted_minor}")
        if strange := [line["our_reference"] for line in lines if line["our_reference"] not in references]:
            report.violations.append(f"the operator knows references that we do not: {strange[:5]}")
        for name, rows in await audit_money(engine):
            report.violations += [f"{name}: {json.dumps(row, default=str)}" for row in rows[:5]]
        self._find_confirmed(lines)
        self._count_receipts(lines)
        board = self._country.gateway.get("/api/contests/star/leaderboard").json()
        if board["totalVotes"] != report.votes:
            report.violations.append(f"the page shows {board['totalVotes']} votes, the tally has {report.votes}")

    def _find_confirmed(self, lines: list[dict[str, str]]) -> None:
        """Each number that got a confirmation is in the operator's statement, or has an order that was not paid."""
        paying = {line["msisdn"].lstrip("+") for line in lines}
        self.report.confirmed = len(self._confirmed)
        missing = sum(number.lstrip("+") not in paying for number in self._confirmed)
        unpaid = sum(count for status, count in self.report.payments.items() if status in ("failed", "expired"))
        if missing > unpaid:
            self.report.violations.append(f"{missing} confirmed orders were not paid, {unpaid} orders are unpaid")

    def _count_receipts(self, lines: list[dict[str, str]]) -> None:
        """At most one receipt a payment, as the handsets saw it."""
        for number in {line["msisdn"] for line in lines}:
            payments = sum(line["msisdn"] == number for line in lines)
            receipts = sum("verify" in message for message in self._country.phone(number).inbox())
            self.report.receipts += receipts
            self.report.receipts_twice += max(0, receipts - payments)
        if self.report.receipts_twice:
            self.report.violations.append(f"{self.report.receipts_twice} receipts too many")
