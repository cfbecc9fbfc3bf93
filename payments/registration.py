"""How a provider file announces itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gateway.ports.payment_provider import PaymentProvider


@dataclass(frozen=True, slots=True)
class Registration:
    """`settings`: what the provider wants from the environment, under its code in capitals
    (`MTN_MOMO_BASE_URL` is `base_url`). `build`: makes the provider from them."""

    code: str
    settings: type[BaseModel]
    build: Callable[[Any], PaymentProvider]
