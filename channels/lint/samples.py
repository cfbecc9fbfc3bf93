"""What stands for `{name}`, `{amount}` and so on when a phrase is measured: the widest of a contest."""

from channels import gsm
from channels.buying import one_dial
from channels.phrases import catalogue, say
from channels.sms.texts import NAME_SEPTETS
from gateway.contests.contest import Contest
from gateway.orders.receipt import make_receipt
from gateway.orders.wallet import example_number

RECEIPT = make_receipt((1 << 45) - 1)
# As long as operators make them.
REFERENCE = "00000000-0000-4000-8000-000000000000"
PAYER_MASKED = "05..0304"
# A hosted payment page's address is long and never cut.
PAYMENT_URL = "https://webpayment.orange-money.com/ci/pay_token/" + "a1b2" * 16
OTHERWISE = "x" * 12


def widest(texts: list[str], fallback: str) -> str:
    """The text of most septets once folded."""
    return max((gsm.fold(text) for text in texts), key=gsm.septets, default=fallback)


def values(contest: Contest, language: str, public_url: str) -> dict[str, object]:
    """Placeholder → its widest value in this contest."""
    phrases = catalogue()[language]
    code = widest([c.code for c in contest.candidates], "07")
    name = gsm.cut_on_word(widest([c.name for c in contest.eligible], "Awa Koné"), NAME_SEPTETS)
    quantity = contest.quantity_max
    dial = one_dial(contest.dial_code, code, quantity)
    return {
        "contest": gsm.cut_on_word(gsm.fold(contest.name), NAME_SEPTETS),
        "price": contest.price.spoken(),
        "amount": contest.price.times(quantity).spoken(),
        "code": code,
        "name": name,
        "votes": say(language, "sms.votes_many", count=quantity),
        "count": quantity,
        "maximum": quantity,
        "service_code": contest.dial_code,
        "short_code": contest.short_code,
        "keywords": contest.keyword,
        "orders": ", ".join(f"VOTE {code} {quantity}" for _ in range(3)),
        "options": ", ".join(f"{c.code} {gsm.fold(c.name)}" for c in contest.eligible[:3]),
        "dial": dial,
        "how": say(language, "sms.how", dial=dial, code=code, votes=quantity, short_code=contest.short_code),
        "hint": say(language, "sms.payment_link_code", dialled="#144*82#"),
        "dialled": "#144*82#",
        "example": example_number(contest.country),
        "number": 9_999_999,
        "back": 9_999_999,
        "why": "x" * NAME_SEPTETS,
        "ways": ", ".join(gsm.fold(text) for key, text in phrases.items() if key.startswith("wallet.")),
        "wallet": widest([text for key, text in phrases.items() if key.startswith("wallet.")], OTHERWISE),
        "status": widest([text for key, text in phrases.items() if key.startswith("ussd.status_")], OTHERWISE),
        "receipt": RECEIPT,
        "reference": REFERENCE,
        "url": f"{public_url}/verify/{RECEIPT}",
        "rank": 10,
        "word": contest.keyword or "VOTE",
        "contact": contest.contact,
        "opens": f"{contest.opens_at:%d/%m/%Y %H:%M}",
        "closes": f"{contest.closes_at:%d/%m/%Y %H:%M}",
        "minutes": contest.late_seconds // 60,
        "typed": RECEIPT,
    }


class Otherwise(dict[str, object]):
    """Values for a phrase of tomorrow too: twelve letters for what nobody declared here."""

    def __missing__(self, key: str) -> object:
        return OTHERWISE


def filled(phrase: str, held: dict[str, object]) -> str:
    """The phrase filled in. ValueError for one that cannot be."""
    return phrase.format_map(Otherwise(held))
