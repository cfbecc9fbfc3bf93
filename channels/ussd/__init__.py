"""USSD: the dialogue behind a star code, for any handset."""
