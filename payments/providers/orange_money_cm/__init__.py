"""Orange Money in Cameroon: core API."""

from payments.providers.orange_money_cm.provider import REGISTRATION as REGISTRATION
