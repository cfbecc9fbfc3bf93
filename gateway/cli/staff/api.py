"""The admin API as the commands of staff call it, and the session that `spotlight login` opened.

The session is a file that only its owner reads: `session.json` in the data directory of the installation that
runs here, or else in `~/.config/spotlight`.
"""

import fcntl
import ipaddress
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import typer

from gateway.cli.failures import ApiRefused
from gateway.cli.running import find_installation, write_private

if TYPE_CHECKING:
    import httpx

PASSWORD: Final = "SPOTLIGHT_PASSWORD"  # noqa: S105 - the name of a variable
CODE: Final = "SPOTLIGHT_CODE"
SESSION_FILE: Final = "session.json"
LOGIN: Final = "run `spotlight login`"
# A refresh token that comes twice within seconds is forgiven to one client; the agent tells which client it is.
_AGENT: Final = "spotlight command line"
_CALL_SECONDS: Final = 10
# An import compares every line of a file with the book before it answers.
_ANSWER_SECONDS: Final = 120
_SPARE_SECONDS: Final = 30
# What to do next, by the kind of problem.
_NEXT: Final[Mapping[str, str]] = {
    "no_reason": "say why with --reason",
    "own_request": "they sign in with `spotlight login`",
    "decided": "ask again if it is still wanted",
    "expired": "ask again",
}


@dataclass(frozen=True)
class Session:
    """Who is signed in here. `expires_at`: of the access token, in seconds since 1970."""

    url: str
    email: str
    has_factor: bool
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float

    def renewed(self, document: Mapping[str, Any]) -> "Session":
        """The session with the tokens of an answer of `/api/auth/login` or `/api/auth/refresh`."""
        return replace(
            self,
            access_token=document["accessToken"],
            refresh_token=document["refreshToken"],
            expires_at=time.time() + document["expiresIn"],
            email=document["person"]["email"],
            has_factor=document["person"]["hasFactor"],
        )


def session_path() -> Path:
    """Where the session is kept. Raises NothingRuns."""
    found = find_installation()
    if found is not None:
        return found[0] / SESSION_FILE
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "spotlight" / SESSION_FILE


def read_session() -> Session:
    """Who is signed in here. Raises ApiRefused without a session."""
    path = session_path()
    try:
        return Session(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ApiRefused(f"you are not signed in: {LOGIN}") from None
    except (ValueError, TypeError):
        raise ApiRefused(f"{path} is damaged: {LOGIN}") from None


def write_session(session: Session) -> Path:
    """Keep a session; the file. Raises OSError."""
    path = session_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(session)) + "\n")
    return path


def forget_session() -> bool:
    """Delete the session; False when there was none."""
    path = session_path()
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def gateway_url(typed: str | None) -> str:
    """The gateway to sign in at: the one that is named, or the one that runs here. Raises ApiRefused."""
    found = None if typed else find_installation()
    url = typed or (found[1].get("SPOTLIGHT_GATEWAY_URL") if found else None)
    if not url:
        raise ApiRefused("nothing runs here: name the gateway with --url https://…")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiRefused(f"{url!r} is no address of a gateway; write it as https://vote.example.org")
    if typed and parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ApiRefused(f"a password is not sent to {parts.hostname} without https")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret(variable: str, prompt: str) -> str:
    """From the environment, else typed unseen, else the next line of what is piped in."""
    if (given := os.environ.get(variable)) is not None:
        return given
    if sys.stdin.isatty():
        typed: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def sign_in(url: str, email: str, password: str, code: str) -> tuple[Session, dict[str, Any]]:
    """Open a session at a gateway; also the person as the API shows them. Raises ApiRefused, httpx.HTTPError."""
    with _client(url) as client:
        document = _read(client.post("/api/auth/login", json={"email": email, "password": password, "code": code}))
    return Session(url, email, False, "", "", 0.0).renewed(document), document["person"]


class StaffApi:
    """Calls the API as the person who is signed in here. Every method raises ApiRefused, httpx.HTTPError."""

    def __init__(self) -> None:
        self.session = read_session()

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Read. What of the query is None is left out."""
        given = {name: str(value).lower() if value is True else value for name, value in query.items()}
        asked = {name: str(value) for name, value in given.items() if value is not None}
        return self._send(lambda client: client.get(f"/api/admin/{path}", params=asked))

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Do. What of the body is None is left out."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._send(lambda client: client.post(f"/api/admin/{path}", json=given))

    def put(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Have something be as the body says."""
        return self._send(lambda client: client.put(f"/api/admin/{path}", json=body))

    def upload(self, path: str, fields: Mapping[str, str], name: str, data: bytes) -> dict[str, Any]:
        """Send a file."""
        return self._send(lambda client: client.post(f"/api/admin/{path}", data=fields, files={"file": (name, data)}))

    def sign_out(self) -> None:
        """End the session at the gateway."""
        with _client(self.session.url) as client:
            _read(client.post("/api/auth/logout", json={"refreshToken": self.session.refresh_token}))

    def _send(self, call: Callable[["httpx.Client"], "httpx.Response"]) -> dict[str, Any]:
        if self.session.expires_at - _SPARE_SECONDS < time.time():
            self._refresh()
        try:
            return self._once(call)
        except ApiRefused as refused:
            if refused.kind == "proof_wanted":
                self._prove()
            elif refused.status == HTTPStatus.UNAUTHORIZED:
                self._refresh()
            else:
                raise
        return self._once(call)

    def _once(self, call: Callable[["httpx.Client"], "httpx.Response"]) -> dict[str, Any]:
        with _client(self.session.url, self.session.access_token) as client:
            return _read(call(client))

    def _refresh(self) -> None:
        """Other tokens for the session. Commands that run side by side do it once."""
        with _alone():
            kept = read_session()
            if kept.refresh_token != self.session.refresh_token and kept.expires_at > time.time():
                self.session = kept
                return
            try:
                with _client(kept.url) as client:
                    document = _read(client.post("/api/auth/refresh", json={"refreshToken": kept.refresh_token}))
            except ApiRefused as refused:
                if refused.status != HTTPStatus.UNAUTHORIZED:
                    raise
                forget_session()
                raise ApiRefused(f"your session is over: {LOGIN}") from None
            self.session = kept.renewed(document)
            write_session(self.session)

    def _prove(self) -> None:
        """Show again who it is: acts about money ask for it when it is more than five minutes ago."""
        if self.session.has_factor:
            code = secret(CODE, "Code of the second factor")
        else:
            code = secret(PASSWORD, f"Password of {self.session.email}")
        if not code:
            raise ApiRefused(f"show again who you are: {LOGIN}")
        with _client(self.session.url, self.session.access_token) as client:
            _read(client.post("/api/auth/confirm", json={"code": code}))


def _client(url: str, token: str | None = None) -> "httpx.Client":
    import httpx  # here, because every process of ours begins as a command

    headers = {"User-Agent": _AGENT, "Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    timeout = httpx.Timeout(_CALL_SECONDS, read=_ANSWER_SECONDS)
    loopback = _is_loopback(urlsplit(url).hostname or "")
    return httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=not loopback)


def _read(response: "httpx.Response") -> dict[str, Any]:
    """The document of an answer. Raises ApiRefused."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiRefused(f"{response.url.host} is no gateway: it answered {response.status_code}", "", 502)
    if response.is_success:
        return document
    kind = str(document.get("type", "")).rpartition("/")[2]
    raise ApiRefused(_sentence(document, kind, response), kind, response.status_code)


def _sentence(document: Mapping[str, Any], kind: str, response: "httpx.Response") -> str:
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return f"too many failed tries: come back in {response.headers.get('Retry-After', '60')} s"
    if errors := document.get("errors"):
        return "; ".join(f"{error['loc'][-1]}: {error['msg']}" for error in errors)
    text = str(document.get("detail") or document.get("title") or response.reason_phrase).strip()
    hint = _NEXT.get(kind)
    return f"{text}; {hint}" if hint else text


@contextmanager
def _alone() -> Iterator[None]:
    """No other command changes the session meanwhile."""
    path = session_path()
    with path.with_name(f"{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
