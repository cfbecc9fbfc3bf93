"""pawaPay, simulated."""

from sandbox.operators.pawapay.api import SANDBOX

__all__ = ["SANDBOX"]
