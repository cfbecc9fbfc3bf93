"""Orange Money web payment in Côte d'Ivoire: see `payments.reconciliation.orange_columns`."""

from payments.reconciliation.orange_columns import orange_statement

STATEMENT = orange_statement("orange_money", "XOF")
