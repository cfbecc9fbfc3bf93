"""Who may call MTN: tokens, and the headers of every business call.

A merchant may have an account in each country; those after the first are issued under names that begin
with a word for the account, e.g. `cm_target_environment`. Each product has its own key, user and token.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.company import same
from sandbox.operators.context import OperatorContext
from sandbox.operators.mtn_momo.messages import error
from sandbox.operators.mtn_momo.numbers import CURRENCIES
from sandbox.operators.wire import Refusal, Tokens, answer, pause, read_basic, read_bearer

TOKEN_SECONDS = 3600
STATUS_PER_SECOND = 10
_PREFIXES: Final[Mapping[str, str]] = {"collection": "", "disbursement": "disbursement_"}
_NAMES = ("target_environment", "subscription_key", "api_user", "api_key")
# Longest first: a disbursement's key is no collection's key of an account "disbursement".
_FIELDS = sorted((f"{prefix}{name}" for prefix in _PREFIXES.values() for name in _NAMES), key=len, reverse=True)


def accounts(issued: Mapping[str, str]) -> list[dict[str, str]]:
    """The merchant's accounts, each with what was issued for it; what a further one does not say is
    as in the first."""
    found: dict[str, dict[str, str]] = {"": {}}
    for name, value in issued.items():
        field = next((field for field in _FIELDS if name == field or name.endswith(f"_{field}")), None)
        if field is not None:
            found.setdefault(name.removesuffix(field).rstrip("_"), {})[field] = value
    return [{**found[""], **own} for own in found.values()]


class Access:
    """Keys and tokens of one merchant."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._accounts = accounts(context.credentials)
        self._tokens = Tokens()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The token call."""
        router.add_post("/{product:collection|disbursement}/token/", self.issue_token)

    def callback_url(self, request: web.Request) -> str:
        """The address in the header, empty where there is none. Raises Refusal for one that MTN does not take."""
        url = request.headers.get("X-Callback-Url")
        if url is None:
            return ""
        parts = urlsplit(url) if url.isascii() else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refusal(error(400, "INVALID_CALLBACK_URL", "X-Callback-Url is not a valid URL."))
        return url

    def check(self, request: web.Request, product: str) -> str:
        """The API user of a business call; its target environment is one of ours. Raises Refusal."""
        self._check_subscription(request, product)
        token = read_bearer(request)
        user = None if token is None else self._tokens.owner(token, product)
        if token is None or user is None:
            raise Refusal(answer(401, {"error": "invalid_token", "error_description": "Access token is not valid."}))
        if self._tokens.has_expired(token):
            raise Refusal(answer(401, {"error": "token_expired", "error_description": "Access token has expired."}))
        environment = request.headers.get("X-Target-Environment")
        if environment is None:
            raise Refusal(error(400, "BAD_REQUEST", "Header X-Target-Environment is required."))
        ours = {account.get("target_environment") for account in self._accounts} - {None}
        if environment not in CURRENCIES or (ours and environment not in ours):
            raise Refusal(error(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", "Access to target environment is forbidden."))
        return user

    def _check_subscription(self, request: web.Request, product: str) -> None:
        """A key of this product. Raises Refusal."""
        key = request.headers.get("Ocp-Apim-Subscription-Key", "")
        name = f"{_PREFIXES[product]}subscription_key"
        if not any(same(key, account.get(name)) for account in self._accounts):
            why = "invalid" if key else "missing"
            message = f"Access denied due to {why} subscription key."
            raise Refusal(answer(401, {"statusCode": 401, "message": message}))

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /{product}/token/`: Basic, and no body at all."""
        faults, product = self._context.faults, request.match_info["product"]
        await pause(faults.latency_ms)
        self._check_subscription(request, product)
        if await request.read():
            return error(400, "BAD_REQUEST", "The request must not have a body.")
        pair = read_basic(request)
        if pair is None or not self._is_known(*pair, product):
            return answer(401, {"error": "invalid_client"})
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], product, seconds)
        return answer(200, {"access_token": token, "token_type": "access_token", "expires_in": int(seconds)})

    def _is_known(self, user: str, key: str, product: str) -> bool:
        names = [f"{_PREFIXES[product]}{name}" for name in ("api_user", "api_key")]
        return any(same(user, account.get(names[0])) and same(key, account.get(names[1])) for account in self._accounts)
