"""Stripe: cards by Checkout."""

from payments.providers.stripe.provider import REGISTRATION as REGISTRATION
