"""The `relevé de vos opérations` of an Orange Money merchant account, the same in each country.

Source: exports as they are read by a reconciliation tool of an aggregator in Abidjan and Douala
(github.com/fagne2024/RECONCILIATION, November 2026): some lines of heading, then `N°`, `Date`, `Heure`,
`Référence`, `Service`, `Statut`, `N° de Compte`, `Débit`, `Crédit`. Orange publishes no description.
"""

from payments.reconciliation.comparison import LineKind
from payments.reconciliation.statement_format import Field, StatementFormat


def orange_statement(code: str, currency: str) -> StatementFormat:
    """Statements of the accounts of one Orange company."""
    return StatementFormat(
        code=code,
        columns={
            Field.PROVIDER_REFERENCE: ("Référence", "Transaction Id", "txnid"),
            Field.EXTERNAL_ID: ("Order Id", "Référence marchand"),
            Field.DATE: ("Date",),
            Field.TIME: ("Heure",),
            Field.STATUS: ("Statut", "Status"),
            Field.KIND: ("Service",),
            Field.NUMBER: ("N° de Compte", "N° Compte"),
            Field.CREDIT: ("Crédit",),
            Field.DEBIT: ("Débit",),
            Field.FEE: ("Frais",),
            Field.CURRENCY: ("Devise",),
        },
        paid=frozenset({"succès", "succes", "success"}),
        kinds={
            "merchant payment": LineKind.COLLECTION,
            "web payment": LineKind.COLLECTION,
            "cash in": LineKind.PAYOUT,  # into the wallet of a customer
            "refund": LineKind.REFUND,
            "commission": LineKind.FEE,
            "channel to bank": LineKind.TRANSFER,
        },
        dates=("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),
        decimal=",",
        currency=currency,
    )
