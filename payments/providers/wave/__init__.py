"""Wave: checkout."""

from payments.providers.wave.provider import REGISTRATION as REGISTRATION
