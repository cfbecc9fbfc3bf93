"""pawaPay, an aggregator of operators."""

from payments.providers.pawapay.provider import REGISTRATION as REGISTRATION
