"""MTN MoMo: collections and disbursements."""

from payments.providers.mtn_momo.provider import REGISTRATION as REGISTRATION
