"""MTN MoMo: the list of transactions that the partner portal exports.

MTN does not publish its columns. Those below are what exports are reported to have (November 2026):
`Id` is the financial transaction id, `External Transaction Id` what we sent as `externalId`, `From` and
`To` are written `FRI:2250501020304/MSISDN`. To be compared with an export of the account before the
first real reconciliation; a file with other columns is refused, never half read.
"""

from payments.reconciliation.rules import LineKind
from payments.reconciliation.statement_format import Field, StatementFormat

STATEMENT = StatementFormat(
    code="mtn_momo",
    columns={
        Field.PROVIDER_REFERENCE: ("Id", "Financial Transaction Id", "Transaction Id"),
        Field.EXTERNAL_ID: ("External Transaction Id", "External Id"),
        Field.OUR_REFERENCE: ("Reference Id", "X-Reference-Id"),
        Field.DATE: ("Date", "Transaction Date"),
        Field.STATUS: ("Status",),
        Field.KIND: ("Type", "Transaction Type"),
        Field.PAYER: ("From",),
        Field.PAYEE: ("To",),
        Field.AMOUNT: ("Amount",),
        Field.FEE: ("Fee",),
        Field.CURRENCY: ("Currency",),
    },
    paid=frozenset({"successful", "success", "completed"}),
    kinds={
        "debit": LineKind.COLLECTION,  # of the payer
        "payment": LineKind.COLLECTION,
        "request to pay": LineKind.COLLECTION,
        "refund": LineKind.REFUND,
        "transfer": LineKind.PAYOUT,
        "disbursement": LineKind.PAYOUT,
        "fee": LineKind.FEE,
        "cash out": LineKind.TRANSFER,
        "settlement": LineKind.TRANSFER,
    },
    dates=("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%d-%m-%Y %H:%M:%S"),
)
