"""Orange Money in Cameroon: see `payments.reconciliation.orange_columns`."""

from payments.reconciliation.orange_columns import orange_statement

STATEMENT = orange_statement("orange_money_cm", "XAF")
