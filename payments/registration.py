"""How a provider announces itself, and the kinds of settings that providers share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from gateway.orders.wallet import PaymentMethod
from payments.provider import PaymentProvider
from payments.reconciliation.statement_format import StatementFormat


@dataclass(frozen=True, slots=True)
class Registration:
    """`settings`: what the provider wants from the environment, under its code in capitals
    (`MTN_MOMO_BASE_URL` is `base_url`). `build`: makes the provider from them. `collects`: by ISO country
    code, the ways of paying that it takes there. `in_test`: whether settings name the operator's public test
    environment, where no real money moves. `statement`: how its statements are written, where that is known."""

    code: str
    settings: type[BaseModel]
    build: Callable[[Any], PaymentProvider]
    collects: Mapping[str, tuple[PaymentMethod, ...]]
    in_test: Callable[[Any], bool] = lambda _: False
    statement: StatementFormat | None = None


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii():
        raise ValueError("must be an address beginning with https:// (http:// only in the demo)")
    if parts.query or parts.fragment:
        raise ValueError("must be an address without ? and #")
    return text.rstrip("/")


def _sendable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII, as it is sent in a header")
    return secret


BaseUrl = Annotated[str, AfterValidator(_address)]
"""Where an operator's API begins, without a trailing slash."""
HeaderSecret = Annotated[SecretStr, AfterValidator(_sendable)]
"""A secret that travels in an HTTP header."""


class OperatorSettings(BaseModel):
    """What every operator is configured with. `status_per_second`: questions that one account may ask."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl
    status_per_second: int = Field(10, ge=1, le=1000)
