"""Hub2, simulated."""

from sandbox.operators.hub2.api import SANDBOX

__all__ = ["SANDBOX"]
