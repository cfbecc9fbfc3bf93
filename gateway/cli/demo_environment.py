"""The environment of a demo: its own engines, and every operator in the simulated country."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a demo listens and where it keeps its data."""

    host: str
    port: int
    sandbox_port: int
    data_dir: Path

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the gateway, without a trailing slash."""
        return f"http://{reachable_host(self.host)}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where this machine reaches the simulated country, without a trailing slash."""
        return f"http://{reachable_host(self.host)}:{self.sandbox_port}"


@dataclass(frozen=True)
class Servers:
    """Addresses of PostgreSQL, as the service and as the owner of its tables, and of Redis."""

    database_url: str
    owner_database_url: str
    redis_url: str


def reachable_host(host: str) -> str:
    """The host to call for a server that listens on `host`, as it stands in a URL."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if address.version == 6 else host


def demo_environment(place: Place, servers: Servers, secret_key: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the programs of a demo are told. Names that are not about this very place yield to `inherited`."""
    told = {
        "DATABASE_URL": servers.database_url,
        "SPOTLIGHT_OWNER_DATABASE_URL": servers.owner_database_url,
        "REDIS_URL": servers.redis_url,
        "SPOTLIGHT_SECRET_KEY": secret_key,
        "HOST": place.host,
        "PORT": str(place.port),
        "SPOTLIGHT_SANDBOX_PORT": str(place.sandbox_port),
        "SPOTLIGHT_DATA_DIR": str(place.data_dir),
        "SPOTLIGHT_GATEWAY_URL": place.gateway_url,
    }
    defaults = {
        "SPOTLIGHT_ENV": "demo",
        "SPOTLIGHT_PUBLIC_URL": place.gateway_url,
        **_operators(place.sandbox_url, place.gateway_url),
    }
    return told | {name: inherited.get(name) or value for name, value in defaults.items()}


def _operators(country: str, gateway: str) -> dict[str, str]:
    """Addresses and words of the simulated operators. The words open nothing outside the demo."""
    return {
        "MTN_MOMO_BASE_URL": f"{country}/mtn_momo",
        "MTN_MOMO_SUBSCRIPTION_KEY": "demo-subscription-key",
        "MTN_MOMO_API_USER": "5b1f0c8e-7d0a-4c52-9b8e-2f6d7a3c1e90",
        "MTN_MOMO_API_KEY": "demo-api-key",
        "MTN_MOMO_TARGET_ENVIRONMENT": "mtnivorycoast",
        "MTN_MOMO_DISBURSEMENT_SUBSCRIPTION_KEY": "demo-disbursement-key",
        "MTN_MOMO_DISBURSEMENT_API_USER": "8d3e6c1a-52b7-4f0e-9a64-1c7b0f5d2e83",
        "MTN_MOMO_DISBURSEMENT_API_KEY": "demo-disbursement-api-key",
        "SPOTLIGHT_ACCOUNTS": "mtn_momo@cm",
        "MTN_MOMO_CM_TARGET_ENVIRONMENT": "mtncameroon",
        "ORANGE_MONEY_CM_BASE_URL": f"{country}/orange_money_cm",
        "ORANGE_MONEY_CM_CONSUMER_KEY": "demo-consumer",
        "ORANGE_MONEY_CM_CONSUMER_SECRET": "demo-consumer-secret",
        "ORANGE_MONEY_CM_API_USER": "demo-api-user",
        "ORANGE_MONEY_CM_API_PASSWORD": "demo-api-password",
        "ORANGE_MONEY_CM_CHANNEL_MSISDN": "691000000",
        "ORANGE_MONEY_CM_CHANNEL_PIN": "2468",
        # Behind the operators themselves: it stands in for them, and takes codes that payers fetch.
        "PAWAPAY_BASE_URL": f"{country}/pawapay",
        "PAWAPAY_API_TOKEN": "demo-token",
        "PAWAPAY_CALLBACK_URL": f"{gateway}/api/webhooks/pawapay",
        "PAWAPAY_PRIORITY": "200",
        "STRIPE_BASE_URL": f"{country}/stripe",
        "STRIPE_SECRET_KEY": "sk_test_demo",
        "STRIPE_WEBHOOK_SECRET": "whsec_demo",
        "STRIPE_WEBHOOK_URL": f"{gateway}/api/webhooks/stripe",
        "WAVE_BASE_URL": f"{country}/wave",
        "WAVE_API_KEY": "demo-key",
        "WAVE_WEBHOOK_SECRET": "demo-webhook-secret",
        "WAVE_CALLBACK_URL": f"{gateway}/api/webhooks/wave",
        "ORANGE_MONEY_BASE_URL": f"{country}/orange_money",
        "ORANGE_MONEY_CLIENT_ID": "demo-client",
        "ORANGE_MONEY_CLIENT_SECRET": "demo-client-secret",
        "ORANGE_MONEY_MERCHANT_KEY": "demo-merchant-key",
        "AFRICASTALKING_BASE_URL": f"{country}/africastalking",
        "AFRICASTALKING_USERNAME": "demo",
        "AFRICASTALKING_API_KEY": "demo-api-key",
        "AFRICASTALKING_SENDER": "7890,CM:7800",
        "KANNEL_BASE_URL": f"{country}/kannel",
        "KANNEL_USERNAME": "demo",
        "KANNEL_PASSWORD": "demo-password",
        "KANNEL_SENDER": "7890,CM:7800",
        "KANNEL_DELIVERY_URL": f"{gateway}/sms/kannel/delivery",
        "TELEGRAM_BASE_URL": f"{country}/telegram",
        "TELEGRAM_TOKEN": "123456:demo-token",
        "TELEGRAM_WEBHOOK_SECRET": "demo-webhook-secret",
    }
