"""MTN MoMo, simulated."""

from sandbox.operators.mtn_momo.api import SANDBOX

__all__ = ["SANDBOX"]
