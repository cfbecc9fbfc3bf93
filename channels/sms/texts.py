"""Every text that we send: pure functions from facts to words, in the GSM alphabet.

A receipt is always one part of 160 septets; the others are two at most.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from channels import gsm
from channels.phrases import say

RECEIPT_SEPTETS: Final = gsm.SINGLE_SEPTETS
TEXT_SEPTETS: Final = 2 * gsm.JOINED_SEPTETS
NAME_SEPTETS: Final = 40
CODE_HINT: Final = "#144*82#"

Facts = Mapping[str, Any]


def render(kind: str, language: str, values: Mapping[str, object]) -> str:
    """The text of this kind. KeyError for an unknown kind or a missing fact."""
    return _WRITERS[kind](language, values)


def one_dial(values: Facts) -> str:
    """The code that casts the same vote again in one dial: `*789*07*5*1#`."""
    service = str(values["service_code"]).rstrip("#")
    return f"{service}*{values['candidate_code']}*{values['quantity']}*1#"


def _how(language: str, values: Facts) -> str:
    return say(
        language,
        "sms.how",
        dial=one_dial(values),
        code=values["candidate_code"],
        votes=values["quantity"],
        short_code=values["short_code"],
    )


def _receipt(language: str, values: Facts) -> str:
    """With the link and the contest's name where they fit; the code always."""
    name = gsm.fold(str(values["candidate_name"]))
    for key in ("sms.receipt", "sms.receipt_short", "sms.receipt_bare"):
        for room in (NAME_SEPTETS, 24, 12):
            text = say(
                language,
                key,
                contest=gsm.cut_on_word(gsm.fold(str(values["contest_name"])), NAME_SEPTETS),
                votes=values["quantity"],
                code=values["candidate_code"],
                name=gsm.cut_on_word(name, room),
                amount=values["amount"],
                receipt=values["receipt"],
                url=values["verify_url"],
            )
            if gsm.fits(gsm.fold(text), RECEIPT_SEPTETS):
                return gsm.fold(text)
    return str(values["receipt"])


def _failed(language: str, values: Facts) -> str:
    wallet = say(language, f"wallet.{values['wallet']}")
    return _short(say(language, f"reason.{values.get('reason') or 'other'}", wallet=wallet, how=_how(language, values)))


def _not_confirmed(language: str, values: Facts) -> str:
    return _short(
        say(
            language,
            "sms.not_confirmed",
            votes=values["quantity"],
            code=values["candidate_code"],
            how=_how(language, values),
        )
    )


def _link(language: str, values: Facts) -> str:
    name = gsm.cut_on_word(gsm.fold(str(values["candidate_name"])), NAME_SEPTETS)
    # Never cut: half a link is none.
    return gsm.fold(
        say(
            language,
            "sms.payment_link",
            amount=values["amount"],
            name=name,
            url=values["payment_url"],
            hint=values.get("code_hint", CODE_HINT),
        )
    )


def _refund(language: str, values: Facts) -> str:
    return _short(say(language, f"sms.refund_{values['reason']}", amount=values["amount"]))


def _reply(language: str, values: Facts) -> str:
    """Lines that were written when the question was answered."""
    return _short("\n".join(str(line) for line in values["lines"]))


def _short(text: str) -> str:
    folded = gsm.fold(text)
    return folded if gsm.fits(folded, TEXT_SEPTETS) else gsm.cut_on_word(folded, TEXT_SEPTETS)


_WRITERS: Final[Mapping[str, Callable[[str, Facts], str]]] = {
    "receipt": _receipt,
    "payment_failed": _failed,
    "payment_not_confirmed": _not_confirmed,
    "payment_link": _link,
    "refund_pending": _refund,
    "reply": _reply,
}
