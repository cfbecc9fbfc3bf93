"""Orange Money Web Payment, simulated."""

from sandbox.operators.orange_money.api import SANDBOX

__all__ = ["SANDBOX"]
