"""The rails of a service under test: what the demo's first contest is paid with."""

from gateway.orders.routing import Kind, Rail, Rails
from gateway.orders.wallet import PaymentMethod

PUSH, PAGE = frozenset({Kind.PUSH}), frozenset({Kind.REDIRECT})
XOF = frozenset({"XOF"})

RAILS = Rails(
    (
        Rail("mtn_momo", "CI", PaymentMethod.MTN, PUSH, XOF),
        Rail("orange_money", "CI", PaymentMethod.ORANGE, PAGE, XOF),
    )
)

# A wallet beside them that any number may have.
RAILS_WITH_WAVE = Rails((*RAILS.every, Rail("wave", "CI", PaymentMethod.WAVE, PAGE, XOF)))

# Orange Money with a code that the payer fetches, beside the page.
RAILS_WITH_CODE = Rails(
    (*RAILS_WITH_WAVE.every, Rail("pawapay", "CI", PaymentMethod.ORANGE, frozenset({Kind.OTP_FIRST}), XOF))
)
