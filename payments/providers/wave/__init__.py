"""Wave: checkout."""

from payments.providers.wave.provider import REGISTRATION

__all__ = ["REGISTRATION"]
