"""Stripe, simulated."""

from sandbox.operators.stripe.api import SANDBOX

__all__ = ["SANDBOX"]
