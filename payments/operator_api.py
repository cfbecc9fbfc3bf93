"""An operator's HTTP API as providers call it, and what providers with one have in common."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import SecretStr

from payments.http_call import STATUS, SUBMIT, TOKEN, HttpCaller, Outcome, Timeouts
from payments.provider import Collection, Disbursement, NotSent
from payments.registration import OperatorSettings
from payments.token_cache import Token, TokenCache, basic, read_token

# Seconds before the first questions about a prompt on a phone, and about a page.
PROMPT_LADDER: Final = (10, 20, 30, 45, 60, 90, 120)
PAGE_LADDER: Final = (20, 40, 60, 90)
_CLIENT_CREDENTIALS: Final = {"grant_type": "client_credentials"}
S = TypeVar("S", bound=OperatorSettings)
Asked = Collection | Disbursement | None
"""What a call is about; None for one about no payment."""


@dataclass(frozen=True, slots=True)
class Login:
    """How an access token is requested: `POST path` with user and password. `form`: its body; `headers`: those besides
    `Authorization`. `renew_after`: of a token's life in seconds, how much passes before it is renewed."""

    path: str
    user: str = field(repr=False)
    password: SecretStr
    form: Mapping[str, str] | None = field(default_factory=lambda: _CLIENT_CREDENTIALS)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    renew_after: Callable[[float], float] = lambda lives: lives * 0.9


class Api:
    """One API of an account: each call goes to the platform that its payment belongs to, else to `base_url`.

    `root`: what every path begins with. `headers`: of every call.
    """

    def __init__(
        self, caller: HttpCaller, base_url: str, *, root: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self._caller = caller
        self._base_url = base_url
        self._root = root
        self._headers = headers or {}

    async def submit(self, of: Asked, path: str, what: str, **content: Any) -> Outcome:  # noqa: ANN401 - as httpx has it
        """Send a request that may move money. `what` names it in the log; `content`: `json=`, `headers=`."""
        return await self._call(of, "POST", path, what, SUBMIT, **content)

    async def ask(self, of: Asked, path: str, what: str, method: str = "GET", **content: Any) -> Outcome:  # noqa: ANN401 - as httpx has it
        """Ask a question, which moves nothing."""
        return await self._call(of, method, path, what, STATUS, **content)

    def base(self, of: Asked) -> str:
        """The platform that a payment belongs to."""
        return ((of.base_url if of else None) or self._base_url).rstrip("/")

    async def _call(
        self,
        of: Asked,
        method: str,
        path: str,
        what: str,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
        **content: Any,  # noqa: ANN401 - json= as httpx has it
    ) -> Outcome:
        base = self.base(of)

        async def send(more: Mapping[str, str]) -> Outcome:
            return await self._caller.call(
                method,
                f"{base}/{self._root}{path}",
                what=what,
                timeouts=timeouts,
                reference=str(of.reference) if of else "",
                headers={**self._headers, **(headers or {}), **more},
                **content,
            )

        return await self._authorised(base, send)

    async def _authorised(self, base: str, send: Callable[[Mapping[str, str]], Awaitable[Outcome]]) -> Outcome:
        return await send({})


class TokenApi(Api):
    """One whose calls need an access token, which `login` requests."""

    def __init__(self, caller: HttpCaller, base_url: str, login: Login, **api: Any) -> None:  # noqa: ANN401 - of `Api`
        super().__init__(caller, base_url, **api)
        self._login = login
        self._tokens = TokenCache(login.renew_after)

    async def ready(self, of: Asked) -> None:
        """Have a token for the next call."""
        await self._tokens.get(self.base(of), partial(self._mint, self.base(of)))

    async def _authorised(self, base: str, send: Callable[[Mapping[str, str]], Awaitable[Outcome]]) -> Outcome:
        return await self._tokens.authorised(
            base, partial(self._mint, base), lambda token: send({"Authorization": f"Bearer {token}"})
        )

    async def _mint(self, base: str) -> Token | NotSent:
        pair = basic(self._login.user, self._login.password.get_secret_value())
        outcome = await self._caller.call(
            "POST",
            f"{base}/{self._login.path}",
            what="token",
            timeouts=TOKEN,
            headers={**self._login.headers, "Authorization": pair},
            data=self._login.form,
        )
        return read_token(outcome)


class HttpProvider(Generic[S]):
    """What providers with an HTTP API have in common. For the keywords see `Api`."""

    code: ClassVar[str]

    def __init__(self, settings: S, **api: Any) -> None:  # noqa: ANN401 - of `Api`
        self._settings = settings
        self.base_url = settings.base_url
        self._caller = HttpCaller(self.code)
        self._api = Api(self._caller, settings.base_url, **api)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()


class TokenProvider(HttpProvider[S]):
    """One whose calls need an access token: see `payments.provider.Readier`."""

    _api: TokenApi

    def __init__(self, settings: S, login: Login, **api: Any) -> None:  # noqa: ANN401 - of `Api`
        super().__init__(settings)
        self._api = TokenApi(self._caller, settings.base_url, login, **api)

    async def ready(self, collection: Collection) -> None:
        """Have a token."""
        await self._api.ready(collection)
