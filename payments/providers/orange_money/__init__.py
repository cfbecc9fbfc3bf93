"""Orange Money in Côte d'Ivoire: web payment."""

from payments.providers.orange_money.provider import REGISTRATION as REGISTRATION
