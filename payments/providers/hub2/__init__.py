"""Hub2."""

from payments.providers.hub2.provider import REGISTRATION as REGISTRATION
