"""Who may call MTN: sandbox user provisioning, tokens, and the headers of every business call."""

import re
import secrets
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from payments.sandbox.mtn_momo_numbers import CURRENCIES
from payments.sandbox.surroundings import Surroundings
from payments.sandbox.wire import Refusal, Tokens, answer, pause, read_basic, read_bearer, read_json, same

TOKEN_SECONDS = 3600
_HOST = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)
_ADDRESS = re.compile(r"[\d.]+")


def error(status: int, code: str, message: str) -> web.Response:
    """MTN's error body."""
    return answer(status, {"code": code, "message": message})


@dataclass(slots=True)
class _User:
    callback_host: str
    key: str | None = None


class Access:
    """Users, keys and tokens of one merchant."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._tokens = Tokens()
        self._users: dict[str, _User] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Provisioning and the token call."""
        router.add_post("/v1_0/apiuser", self.create_user)
        router.add_get("/v1_0/apiuser/{user}", self.show_user)
        router.add_post("/v1_0/apiuser/{user}/apikey", self.create_key)
        router.add_post("/collection/token/", self.issue_token)

    def callback_host(self, user: str) -> str:
        """The host that was registered for callbacks; empty where any will do."""
        known = self._users.get(user)
        return known.callback_host if known else ""

    def check(self, request: web.Request, product: str) -> tuple[str, str]:
        """API user and target environment of a business call. Raises Refusal."""
        self._check_subscription(request)
        token = read_bearer(request)
        user = None if token is None else self._tokens.owner(token, product)
        if token is None or user is None:
            raise Refusal(answer(401, {"error": "invalid_token", "error_description": "Access token is not valid."}))
        if self._tokens.has_expired(token):
            raise Refusal(answer(401, {"error": "token_expired", "error_description": "Access token has expired."}))
        environment = request.headers.get("X-Target-Environment")
        if environment is None:
            raise Refusal(error(400, "BAD_REQUEST", "Header X-Target-Environment is required."))
        ours = self._around.credentials.get("target_environment")
        if environment not in CURRENCIES or (ours and environment != ours):
            raise Refusal(error(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", "Access to target environment is forbidden."))
        return user, environment

    def _check_subscription(self, request: web.Request) -> None:
        key = request.headers.get("Ocp-Apim-Subscription-Key", "")
        if not same(key, self._around.credentials.get("subscription_key")):
            why = "invalid" if key else "missing"
            message = f"Access denied due to {why} subscription key."
            raise Refusal(answer(401, {"statusCode": 401, "message": message}))

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /collection/token/`: Basic, and no body at all."""
        faults = self._around.faults
        await pause(faults.latency_ms + faults.token_latency_ms)
        self._check_subscription(request)
        if await request.read():
            return error(400, "BAD_REQUEST", "The request must not have a body.")
        pair = read_basic(request)
        if pair is None or not self._is_known(*pair):
            return answer(401, {"error": "invalid_client"})
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], "collection", seconds)
        return answer(200, {"access_token": token, "token_type": "access_token", "expires_in": int(seconds)})

    def _is_known(self, user: str, key: str) -> bool:
        known = self._users.get(user)
        if known is not None:
            return known.key is not None and same(key, known.key)
        issued = self._around.credentials
        return same(user, issued.get("api_user")) and same(key, issued.get("api_key"))

    async def create_user(self, request: web.Request) -> web.Response:
        """`POST /v1_0/apiuser` (MTN's sandbox only): X-Reference-Id becomes the user."""
        self._check_subscription(request)
        try:
            user = str(UUID(request.headers.get("X-Reference-Id", "")))
            body = await read_json(request)
        except ValueError:
            return error(400, "BAD_REQUEST", "X-Reference-Id or providerCallbackHost is missing or wrong.")
        host = body.get("providerCallbackHost") if isinstance(body, dict) else None
        if not isinstance(host, str) or not _HOST.fullmatch(host) or _ADDRESS.fullmatch(host):
            return error(400, "BAD_REQUEST", "providerCallbackHost must be a host name.")
        if UUID(user).version != 4:
            return error(400, "BAD_REQUEST", "X-Reference-Id is not a UUID version 4.")
        if user in self._users:
            return error(409, "RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")
        self._users[user] = _User(host)
        return web.Response(status=201)

    async def create_key(self, request: web.Request) -> web.Response:
        """`POST /v1_0/apiuser/{user}/apikey`."""
        self._check_subscription(request)
        known = self._users.get(request.match_info["user"])
        if known is None:
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        known.key = secrets.token_hex(16)
        return answer(201, {"apiKey": known.key})

    async def show_user(self, request: web.Request) -> web.Response:
        """`GET /v1_0/apiuser/{user}`: never shows the key."""
        self._check_subscription(request)
        known = self._users.get(request.match_info["user"])
        if known is None:
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        body = {"providerCallbackHost": known.callback_host, "targetEnvironment": "sandbox"}
        return answer(200, body)
