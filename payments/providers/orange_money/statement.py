"""Orange Money web payment in Côte d'Ivoire: see `payments.reconciliation.statement_format`."""

from payments.reconciliation.statement_format import orange_statement

STATEMENT = orange_statement("orange_money", "XOF")
