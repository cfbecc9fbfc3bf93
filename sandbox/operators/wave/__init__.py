"""Wave, simulated."""

from sandbox.operators.wave.api import SANDBOX

__all__ = ["SANDBOX"]
