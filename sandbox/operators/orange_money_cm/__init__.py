"""Orange Money Cameroon, simulated."""

from sandbox.operators.orange_money_cm.api import SANDBOX

__all__ = ["SANDBOX"]
