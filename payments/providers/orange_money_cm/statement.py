"""Orange Money in Cameroon: see `payments.reconciliation.statement_format`."""

from payments.reconciliation.statement_format import orange_statement

STATEMENT = orange_statement("orange_money_cm", "XAF")
