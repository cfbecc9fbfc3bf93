"""The whole product as a user starts it, in a data directory of its own: `spotlight up`.

Journeys and chaos runs drive it from outside only: handsets, HTTP, the operators' statements.
"""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import httpx
from typer.testing import CliRunner

import payments.providers
from gateway.cli.configuration import prefixes
from gateway.cli.main import app
from gateway.cli.staff.api import SESSION_FILE
from gateway.runtime.discovery import codes
from tests.free_port import free_port

T = TypeVar("T")
START_SECONDS_MAX = 180
# Acts about money want a sign-in that is minutes old.
PROOF_SECONDS = 200


class Country:
    """A running product with its simulated country."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port, self.sandbox_port = free_port(), free_port()
        self.gateway_url = f"http://127.0.0.1:{self.port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self._environment = environment
        self._signed_in: dict[str, float] = {}
        self._log = home.parent / f"{home.name}.log"
        self.gateway = httpx.Client(base_url=self.gateway_url, timeout=15)
        self.sandbox = httpx.Client(base_url=self.sandbox_url, timeout=30)
        self._transport = httpx.HTTPTransport(verify=False)  # nothing here speaks TLS

    def start(self) -> "Country":
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SPOTLIGHT_", *prefixes()))
            and name not in ("DATABASE_URL", "REDIS_URL", "HOST", "PORT")
        }
        ours = {
            "PORT": str(self.port),
            "SPOTLIGHT_SANDBOX_PORT": str(self.sandbox_port),
            "SPOTLIGHT_DATA_DIR": str(self.home),
            # Journeys meet the limits that voters meet.
            "SPOTLIGHT_DEMO_LIMITS": "false",
            # And vote from few phones, one after the other.
            "SPOTLIGHT_FRAUD_RULES": "false",
            **self._environment,
        }
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli.main", "up"],
                env={**inherited, **ours},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while f"ready {self.gateway_url}" not in self.log():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the product did not start:\n{self.log()[-4000:]}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """Ctrl-C, as a user ends it."""
        for client in (self.gateway, self.sandbox, self._transport):
            client.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        held: dict[str, int] = json.loads((self.home / "pids.json").read_text())
        return held

    def environment(self) -> dict[str, str]:
        """The environment that `up` gives its children, with the settings that it was started with."""
        held: dict[str, str] = json.loads((self.home / "up.json").read_text())["environment"]
        return {**self._environment, **held}

    def login(self, email: str, password: str) -> None:
        """Sign a person in, for the commands that follow. Whoever was signed in before comes back to their session."""
        session = self.home / SESSION_FILE
        if session.exists():
            session.rename(self._session_of(json.loads(session.read_text())["email"]))
        mine, fresh = self._session_of(email), time.monotonic() - PROOF_SECONDS
        if mine.exists() and self._signed_in.get(email, 0.0) > fresh:
            mine.rename(session)
            return
        self._signed_in[email] = time.monotonic()
        done = self.run("login", "--email", email, SPOTLIGHT_PASSWORD=password, SPOTLIGHT_CODE="")
        assert done.returncode == 0, done.stderr

    def _session_of(self, email: str) -> Path:
        return self.home.parent / f"{email}.json"

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """A command of the console script, in the same data directory. `more`: of its environment.

        In this process: a new one takes longer to start than to do its work."""
        known = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        ours = {**known, **self._environment, "SPOTLIGHT_DATA_DIR": str(self.home), **more}
        with mock.patch.dict(os.environ, ours, clear=True):
            done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def control(self, **settings: Any) -> None:
        self.sandbox.post("/control", json=settings).raise_for_status()

    def phone(self, number: str) -> "Phone":
        return Phone(self, number)

    def statement(self, provider: str = "mtn_momo") -> list[dict[str, str]]:
        """The operator's own statement of what it collected."""
        text = self.sandbox.get(f"/statement/{provider}.csv").raise_for_status().text
        return list(csv.DictReader(io.StringIO(text)))

    def metrics(self) -> str:
        """What this machine may read of the gateway; not by way of a proxy."""
        return self.stranger(timeout=15).get("/metrics").raise_for_status().text

    def stranger(self, **options: Any) -> httpx.Client:
        """A caller of the gateway without cookies, on connections that all of them share. Need not be closed. A client
        with certificates of its own takes longer to make than most requests."""
        return httpx.Client(base_url=self.gateway_url, transport=self._transport, **options)

    def votes(self, code: str) -> int:
        board = self.gateway.get("/api/contests/star/leaderboard").raise_for_status().json()
        return next((int(entry["votes"]) for entry in board["entries"] if entry["code"] == code), 0)


class Phone:
    """One handset."""

    def __init__(self, country: Country, number: str) -> None:
        self.number = number
        self._country = country
        self._path = f"/phones/{number}"

    def dial(self, code: str, aggregator: str | None = None) -> str:
        """Dial; None leaves it to the country who carries the dialogue."""
        body = {"code": code} if aggregator is None else {"code": code, "aggregator": aggregator}
        return self._screen(self._country.sandbox.post(f"{self._path}/dial", json=body))

    def reply(self, text: str) -> str:
        return self._screen(self._country.sandbox.post(f"{self._path}/reply", json={"input": text}))

    def _screen(self, response: httpx.Response) -> str:
        body = response.raise_for_status().json()
        self.open = bool(body["open"])
        return str(body["screen"])

    def text(self, to: str, text: str, carrier: str | None = None) -> None:
        """Send an SMS; None leaves it to the country who carries it."""
        body = {"to": to, "text": text} if carrier is None else {"to": to, "text": text, "carrier": carrier}
        self._country.sandbox.post(f"{self._path}/sms", json=body).raise_for_status()

    def inbox(self) -> list[str]:
        return [m["text"] for m in self._country.sandbox.get(f"{self._path}/inbox").raise_for_status().json()]

    def prompt(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._country.sandbox.get(f"{self._path}/prompt").raise_for_status().json()
        return found

    def approve(self) -> None:
        self._country.sandbox.post(f"{self._path}/prompt", json={"pin": "0000"}).raise_for_status()

    def decline(self) -> None:
        self._country.sandbox.post(f"{self._path}/prompt", json={"decline": True}).raise_for_status()

    def wait_for_prompt(self) -> dict[str, Any]:
        return until(self.prompt, "the PIN prompt")

    def wait_for_text(self, word: str) -> str:
        """The first text that contains `word`."""
        return until(lambda: next((t for t in self.inbox() if word in t), None), f"a text with {word!r}")


def collected_and_sold(country: Country) -> tuple[int, int]:
    """The francs that the operators took by their statements, less what voters have back, and the price of all votes
    on the public pages. What organisers were paid comes from wallets of its own."""
    lines = [line for p in codes(payments.providers) for line in country.statement(p) if line["currency"] == "XOF"]
    signs = {"collection": 1, "refund": -1, "dispute": -1, "transfer": 0}
    collected = sum(int(line["amount"]) * signs[line["kind"]] for line in lines)
    contests = country.gateway.get("/api/contests").raise_for_status().json()["contests"]
    sold = 0
    for contest in contests:
        if contest["price"]["currency"] == "XOF":
            path = f"/api/contests/{contest['slug']}/leaderboard"
            board = country.gateway.get(path).raise_for_status().json()
            # Each round of these contests begins at zero.
            earlier = range(1, board["round"]["number"]) if "round" in board else ()
            boards = [
                country.gateway.get(path, params={"round": number}).raise_for_status().json() for number in earlier
            ]
            sold += sum(int(one["totalVotes"]) for one in (board, *boards)) * int(contest["price"]["amount"])
    return collected, sold


def until(look: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """Look until something is there."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.1)
