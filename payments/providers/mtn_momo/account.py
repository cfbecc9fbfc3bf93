"""An account with MTN MoMo: what it is configured with, and authorised calls to its products.

Source: MTN developer portal (API user, key, token), the published OpenAPI. Each product has its own
subscription key, API user and token; a token of one opens no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from payments.http_call import TOKEN, HttpCaller, Outcome, Timeouts
from payments.registration import BaseUrl, HeaderSecret
from payments.token_cache import NoToken, Token, TokenCache, TokenKey, basic, fingerprint, read_token

COLLECTION: Final = "collection"
DISBURSEMENT: Final = "disbursement"
TOKEN_EARLY_SECONDS: Final = 600.0

ENVIRONMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "mtnivorycoast": ("CI", "XOF"),
    "mtncameroon": ("CM", "XAF"),
    "mtnbenin": ("BJ", "XOF"),
    "mtncongo": ("CG", "XAF"),
    "mtnguineaconakry": ("GN", "GNF"),
    "mtnghana": ("GH", "GHS"),
}
"""Target environment → country and the only currency there, as far as we keep books in it."""


def _environment(name: str) -> str:
    if name == "production":
        raise ValueError("must name the country, as mtnivorycoast does; MTN refuses the word production")
    return name


class Settings(BaseModel):
    """`MTN_MOMO_*`. `currency`: sent to MTN in place of ours, EUR for its own sandbox, which
    accepts no other. `status_per_second`: questions that one account may ask. `disbursement_*`: of the
    product that pays money out, all three or none. `refunds_by`: `transfer` where MTN has not opened
    its refund call to our account."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl = Field(examples=["https://proxy.momoapi.mtn.com"])
    subscription_key: HeaderSecret
    api_user: str = Field(min_length=1, repr=False)
    api_key: HeaderSecret
    target_environment: Annotated[
        str, Field(pattern=r"^[a-z]+$", examples=["mtnivorycoast"]), AfterValidator(_environment)
    ]
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    status_per_second: int = Field(10, ge=1, le=1000)
    disbursement_subscription_key: HeaderSecret | None = None
    disbursement_api_user: str | None = Field(None, min_length=1, repr=False)
    disbursement_api_key: HeaderSecret | None = None
    refunds_by: Annotated[str, Field(pattern=r"^(refund|transfer)$")] = "refund"

    @model_validator(mode="after")
    def _whole_disbursement(self) -> Self:
        given = [self.disbursement_subscription_key, self.disbursement_api_user, self.disbursement_api_key]
        if any(given) and not all(given):
            raise ValueError("disbursement_subscription_key, _api_user and _api_key belong together")
        return self

    @property
    def currencies(self) -> frozenset[str]:
        """Currencies that it collects and pays out: the environment's own; in MTN's sandbox every currency of our
        books."""
        if self.target_environment in ENVIRONMENTS:
            return frozenset({ENVIRONMENTS[self.target_environment][1]})
        return frozenset({"XOF", "XAF", "GNF", "GHS", "EUR"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens one product."""

    subscription_key: SecretStr
    api_user: str = field(repr=False)
    api_key: SecretStr


class Product:
    """One product of an account: `name` is the first part of its paths."""

    def __init__(self, name: str, credentials: Credentials, environment: str, caller: HttpCaller) -> None:
        self._name = name
        self._credentials = credentials
        self._environment = environment
        self._caller = caller
        self._tokens = TokenCache(renew_after=lambda lives: max(lives - TOKEN_EARLY_SECONDS, lives / 2))
        self._fingerprint = fingerprint(
            credentials.api_user,
            credentials.api_key.get_secret_value(),
            credentials.subscription_key.get_secret_value(),
        )

    async def call(
        self,
        method: str,
        base: str,
        path: str,
        *,
        what: str,
        timeouts: Timeouts,
        reference: str = "",
        headers: Mapping[str, str] | None = None,
        **content: Any,  # noqa: ANN401 - json= as httpx has it
    ) -> Outcome | NoToken:
        """One authorised call to `{base}/{product}/{path}`."""

        async def call(token: str) -> Outcome:
            return await self._caller.call(
                method,
                f"{base}/{self._name}/{path}",
                what=what,
                timeouts=timeouts,
                reference=reference,
                headers={**self._common(), "Authorization": f"Bearer {token}", **(headers or {})},
                **content,
            )

        return await self._tokens.authorised(self._key(base), lambda: self._mint(base), call)

    async def ready(self, base: str) -> None:
        """Have a token for the next call."""
        await self._tokens.get(self._key(base), lambda: self._mint(base))

    def _key(self, base: str) -> TokenKey:
        return TokenKey(base, self._name, self._fingerprint)

    def _common(self) -> dict[str, str]:
        return {
            "Ocp-Apim-Subscription-Key": self._credentials.subscription_key.get_secret_value(),
            "X-Target-Environment": self._environment,
        }

    async def _mint(self, base: str) -> Token | NoToken:
        """`POST token/`, with the slash and without any body."""
        pair = basic(self._credentials.api_user, self._credentials.api_key.get_secret_value())
        outcome = await self._caller.call(
            "POST",
            f"{base}/{self._name}/token/",
            what="token",
            timeouts=TOKEN,
            headers={**self._common(), "Authorization": pair},
        )
        return read_token(outcome)


def collection_product(settings: Settings, caller: HttpCaller) -> Product:
    """The product that takes money."""
    opens = Credentials(settings.subscription_key, settings.api_user, settings.api_key)
    return Product(COLLECTION, opens, settings.target_environment, caller)


def disbursement_product(settings: Settings, caller: HttpCaller) -> Product | None:
    """The product that pays money out; None where it is not configured."""
    key, user, secret = (
        settings.disbursement_subscription_key,
        settings.disbursement_api_user,
        settings.disbursement_api_key,
    )
    if key is None or user is None or secret is None:
        return None
    return Product(DISBURSEMENT, Credentials(key, user, secret), settings.target_environment, caller)
