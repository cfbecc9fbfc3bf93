"""Every text that we send: pure functions from facts to words, in the GSM alphabet.

A receipt is always one part of 160 septets; the others are two at most.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from channels import gsm
from channels.buying import dial_with_code, one_dial, votes_in_words, wallet_name
from channels.phrases import DEFAULT_LANGUAGE, catalogue, say
from gateway.orders.wallet import PAYMENT_CODES, PaymentMethod

RECEIPT_SEPTETS: Final = gsm.SINGLE_SEPTETS
TEXT_SEPTETS: Final = 2 * gsm.JOINED_SEPTETS
NAME_SEPTETS: Final = 40

Facts = Mapping[str, Any]


def render(kind: str, language: str, values: Mapping[str, object]) -> str:
    """The text of this kind, folded. KeyError for an unknown kind or a missing fact.

    Facts, beside those of the vote (`candidate_code`, `candidate_name`, `quantity`, `amount` as
    spoken, `contest_name`, `country`, `service_code`, `short_code`): `receipt` and `verify_url`; `wallet` and
    `reason` of `payment_failed`; `payment_url` of `payment_link`; `reason`
    of `refund_pending`; `hours` of `payment_held`; `wallet` and the operator's `reference` of `refunded`; `lines` of
    `reply`. Those of
    `nomination_…`: `contest`, `name`, `link`, `code`, `reason`.
    """
    return _WRITERS[kind](language, values)


def _counted(language: str, phrase: str, count: int) -> str:
    return say(language, f"sms.{phrase}_one") if count == 1 else say(language, f"sms.{phrase}_many", count=count)


def _how(language: str, values: Facts) -> str:
    """What to dial or to text for the same vote again; a contest may lack one of the two numbers."""
    service_code, short_code = str(values["service_code"]), str(values["short_code"])
    code, count = str(values["candidate_code"]), int(values["quantity"])
    dial = one_dial(service_code, code, count)
    if not short_code:
        return say(language, "sms.how_dial", dial=dial)
    if not service_code:
        return say(language, "sms.how_text", code=code, votes=count, short_code=short_code)
    return say(language, "sms.how", dial=dial, code=code, votes=count, short_code=short_code)


def _receipt(language: str, values: Facts) -> str:
    """With the link and the contest's name where they fit; the code always."""
    name = gsm.fold(str(values["candidate_name"]))
    for key in ("sms.receipt", "sms.receipt_short", "sms.receipt_bare"):
        for limit in (NAME_SEPTETS, 24, 12):
            text = say(
                language,
                key,
                contest=gsm.cut_on_word(gsm.fold(str(values["contest_name"])), NAME_SEPTETS),
                votes=_counted(language, "counted", int(values["quantity"])),
                code=values["candidate_code"],
                name=gsm.cut_on_word(name, limit),
                amount=values["amount"],
                receipt=values["receipt"],
                url=values["verify_url"],
            )
            if gsm.fits(gsm.fold(text), RECEIPT_SEPTETS):
                return gsm.fold(text)
    return str(values["receipt"])


def _failed(language: str, values: Facts) -> str:
    wallet = wallet_name(language, PaymentMethod(values["wallet"]))
    reason = _known("reason.", values.get("reason"))
    how = _how_by_code(language, values) if reason == "reason.wrong_code" else ""
    return _short(say(language, reason, wallet=wallet, how=how or _how(language, values)))


def _how_by_code(language: str, values: Facts) -> str:
    """What to dial for another payment code and with it; empty where the wallet has none."""
    dialled = PAYMENT_CODES.get((str(values["country"]), PaymentMethod(str(values["wallet"]))))
    service_code, count = str(values["service_code"]), int(values["quantity"])
    if not dialled or not service_code:
        return ""
    elsewhere = bool(values.get("paid_elsewhere"))
    dial = dial_with_code(language, service_code, str(values["candidate_code"]), count, elsewhere=elsewhere)
    return say(language, "sms.how_code_elsewhere" if elsewhere else "sms.how_code", dialled=dialled, dial=dial)


def _not_confirmed(language: str, values: Facts) -> str:
    return _short(
        say(
            language,
            "sms.not_confirmed",
            votes=votes_in_words(language, int(values["quantity"])),
            code=values["candidate_code"],
            how=_how(language, values),
        )
    )


def _link(language: str, values: Facts) -> str:
    name = gsm.cut_on_word(gsm.fold(str(values["candidate_name"])), NAME_SEPTETS)
    dialled = PAYMENT_CODES.get((str(values["country"]), PaymentMethod(str(values["wallet"]))))
    hint = say(language, "sms.payment_link_code", dialled=dialled) if dialled else ""
    # Never cut: half a link is none.
    return gsm.fold(
        say(
            language,
            "sms.payment_link",
            amount=values["amount"],
            name=name,
            url=values["payment_url"],
            hint=hint,
        ).rstrip()
    )


def _refund(language: str, values: Facts) -> str:
    return _short(say(language, _known("sms.refund_", values.get("reason")), amount=values["amount"]))


def _held(language: str, values: Facts) -> str:
    return _short(say(language, "sms.payment_held", amount=values["amount"], hours=values["hours"]))


def _refunded(language: str, values: Facts) -> str:
    wallet = wallet_name(language, PaymentMethod(values["wallet"]))
    facts = {"amount": values["amount"], "wallet": wallet, "reference": values["reference"]}
    return _short(say(language, "sms.given_back", **facts))


def _withdrawn(language: str, values: Facts) -> str:
    facts = {"amount": values["amount"], "code": values["candidate_code"]}
    return _short(
        say(language, "sms.votes_withdrawn", votes=votes_in_words(language, int(values["quantity"])), **facts)
    )


def _known(prefix: str, word: object) -> str:
    """The phrase for this word, or the general one: a new reason gets a text too."""
    key = f"{prefix}{word}"
    return key if key in catalogue()[DEFAULT_LANGUAGE] else f"{prefix}other"


def _resume(language: str, values: Facts) -> str:
    """To who was cut off after choosing a candidate: one part, with how to end such texts where it fits."""
    short_code = str(values["short_code"])
    stop = f" {say(language, 'sms.stop_hint', short_code=short_code)}" if short_code else ""
    name = gsm.fold(str(values["candidate_name"]))
    dial = one_dial(str(values["service_code"]), str(values["candidate_code"]), int(values["quantity"]))
    for limit in range(NAME_SEPTETS, 0, -4):
        text = say(
            language,
            "sms.resume",
            code=values["candidate_code"],
            name=gsm.cut_on_word(name, limit),
            votes=votes_in_words(language, int(values["quantity"])),
            amount=values["amount"],
            dial=dial,
        )
        folded = gsm.fold(text + stop)
        if gsm.fits(folded, gsm.SINGLE_SEPTETS):
            return folded
    return folded


def _nomination(phrase: str) -> Callable[[str, Facts], str]:
    def write(language: str, values: Facts) -> str:
        """To who proposed themselves. Names are cut so that a link is whole."""
        contest, name = (gsm.cut_on_word(gsm.fold(str(values[fact])), NAME_SEPTETS) for fact in ("contest", "name"))
        return _short(say(language, phrase, **{**values, "contest": contest, "name": name}))

    return write


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
    "payment_held": _held,
    "refund_pending": _refund,
    "refunded": _refunded,
    "votes_withdrawn": _withdrawn,
    "resume": _resume,
    "reply": _reply,
    "nomination_link": _nomination("sms.nomination_link"),
    "nomination_approved": _nomination("sms.nomination_approved"),
    "nomination_rejected": _nomination("sms.nomination_rejected"),
    "nomination_change_taken": _nomination("sms.nomination_change_taken"),
    "nomination_change_refused": _nomination("sms.nomination_change_refused"),
    "nomination_video_taken": _nomination("sms.nomination_video_taken"),
    "nomination_video_refused": _nomination("sms.nomination_video_refused"),
}

KINDS: Final = tuple(_WRITERS)
"""Every kind of text, see `render`."""
