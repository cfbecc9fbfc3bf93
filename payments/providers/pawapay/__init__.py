"""pawaPay, an aggregator of operators."""

from payments.providers.pawapay.provider import REGISTRATION

__all__ = ["REGISTRATION"]
