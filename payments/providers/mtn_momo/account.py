"""An account with MTN MoMo: what it is configured with, and its products.

Source: MTN developer portal (API user, key, token), the published OpenAPI. Each product has its own
subscription key, API user and token; a token of one opens no other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from payments.operator_api import Login
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings

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


class Settings(OperatorSettings):
    """`MTN_MOMO_*`. `currency`: sent to MTN in place of ours, EUR for its own sandbox, which
    accepts no other. `disbursement_*`: of the
    product that pays money out, all three or none. `refunds_by`: `transfer` where MTN has not opened
    its refund call to our account."""

    base_url: BaseUrl = Field(examples=["https://proxy.momoapi.mtn.com"])
    subscription_key: HeaderSecret
    api_user: str = Field(min_length=1, repr=False)
    api_key: HeaderSecret
    target_environment: Annotated[
        str, Field(pattern=r"^[a-z]+$", examples=["mtnivorycoast"]), AfterValidator(_environment)
    ]
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
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

    @property
    def collects(self) -> dict[str, Any]:
        """The product that takes money, as `TokenApi` wants it."""
        return self._product("collection", self.subscription_key, self.api_user, self.api_key)

    @property
    def disburses(self) -> dict[str, Any] | None:
        """The product that pays money out; None where it is not configured."""
        key, user, secret = self.disbursement_subscription_key, self.disbursement_api_user, self.disbursement_api_key
        return self._product("disbursement", key, user, secret) if key and user and secret else None

    def _product(self, name: str, subscription_key: SecretStr, user: str, secret: SecretStr) -> dict[str, Any]:
        common = {
            "Ocp-Apim-Subscription-Key": subscription_key.get_secret_value(),
            "X-Target-Environment": self.target_environment,
        }
        # With the slash and without any body.
        login = Login(
            f"{name}/token/",
            user,
            secret,
            None,
            common,
            lambda lives: max(lives - TOKEN_EARLY_SECONDS, lives / 2),
        )
        return {"login": login, "root": f"{name}/v1_0/", "headers": common}
