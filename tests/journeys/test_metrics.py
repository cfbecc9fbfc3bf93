"""What Prometheus reads of a running product: callbacks of another time, how tables grow, what upkeep has done."""

import time

import pytest
import stripe
from prometheus_client.parser import text_string_to_metric_families

from tests.country import Country, until

pytestmark = pytest.mark.journey


def read(country: Country) -> dict[tuple[str, ...], float]:
    """Every value by name and labels."""
    families = text_string_to_metric_families(country.metrics())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_an_event_of_another_time_is_counted(country: Country) -> None:
    old = ("spotlight_callbacks_stale_total", "stripe")
    secret, before = country.environment()["STRIPE_WEBHOOK_SECRET"], read(country).get(old, 0)
    signed = stripe.WebhookSignature.generate_signature_header("{}", secret, int(time.time()) - 3_600)
    answer = country.gateway.post("/api/webhooks/stripe", content="{}", headers={"Stripe-Signature": signed})
    assert (answer.status_code, read(country)[old]) == (400, before + 1)


def test_tables_and_their_upkeep_are_shown(country: Country) -> None:
    values = read(country)
    for table in ("votes", "payments", "callbacks"):
        assert values["spotlight_partition_months_ahead", table] >= 3
        assert values["spotlight_table_bytes", table] > 8_192
    until(lambda: 0 <= read(country).get(("spotlight_upkeep_age_seconds", "purge"), -1) < 600, "the daily purge")
