"""Messages from the choice of a number of votes to the receipt: pure."""

from collections.abc import Sequence
from html import escape

from channels.buying import asked_first, wallet_name, ways_to_pay, why_no_wallet
from channels.grammar import Vote
from channels.telegram.buttons import (
    Button,
    Cancel,
    ChooseCount,
    ChooseWallet,
    OpenCard,
    OpenContest,
    OpenMenu,
    OpenPeople,
    OpenRanking,
    Pay,
    TypeCount,
    TypePayer,
    tag,
    tap,
)
from channels.telegram.reading import Offer, payer_of
from channels.telegram.texts import facts, facts_of, name, plain, say, votes, why_not_paid
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.orders.routing import Rails
from gateway.orders.wallet import APPROVAL_CODES, PAYMENT_CODES, PaymentMethod, example_number, not_taken_yet
from gateway.values.msisdn import Msisdn
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus


def ask_payer(language: str, offered: Offer, own: Msisdn | None) -> View:
    """Which number pays. `own`: the one that this chat has proved, which then has a button."""
    share = plain(language, "ask.share")
    example = example_number(offered.contest.country)
    if own is None:
        text = say(language, "ask.payer", share=share, example=example, **_facts(language, offered))
        return View(_amount_first(language, offered, text), asks_contact=share)
    mine = tap(
        language,
        "my_number",
        ChooseCount(contest=tag(offered.contest), code=offered.candidate.code, count=offered.count),
        number=own.masked(),
    )
    return View(say(language, "ask.payer_other", example=example), ((mine,),))


def _amount_first(language: str, offered: Offer, text: str) -> str:
    """The text, behind the amount where it is a large one."""
    if not asked_first(offered.contest, offered.count):
        return text
    first = say(language, "confirm.large", amount=offered.amount.spoken(), votes=votes(language, offered.count))
    return f"{first}\n\n{text}"


def readings(language: str, key: str, orders: Sequence[Vote]) -> View:
    """Orders of which one may be meant, or each: a button for each."""
    rows = tuple((_reading(language, order),) for order in orders)
    return View(say(language, key), rows)


def _reading(language: str, order: Vote) -> Button:
    contest, candidate = order.contest, order.contest.candidate(order.code)
    who = candidate.name if candidate else ""
    amount = contest.price.times(order.quantity).spoken()
    label = plain(language, "button.reading", **facts(language, order.quantity, order.code, who), amount=amount)
    return Button(label, ChooseCount(contest=tag(contest), code=order.code, count=order.quantity).pack())


def resume(language: str, offered: Offer, counted: bool) -> View:
    """To a voter who left in the middle and came back: go on, or start again. `counted`: whether the number of
    votes was chosen."""
    word, code = tag(offered.contest), offered.candidate.code
    what = say(language, "resume.votes", votes=votes(language, offered.count)) if counted else ""
    text = say(language, "resume.text", contest=offered.contest.name, code=code, name=name(offered.candidate.name))
    on = ChooseCount(contest=word, code=code, count=offered.count) if counted else TypeCount(contest=word, code=code)
    return View(
        f"{text}{what}",
        ((tap(language, "resume", on),), (tap(language, "start_again", OpenContest(contest=word)),)),
    )


def confirm(
    language: str,
    offered: Offer,
    payer: Msisdn,
    method: PaymentMethod | None,
    verified: str | None,
    takes: Sequence[PaymentMethod],
) -> View:
    """The confirmation before the money is asked for. `takes`: the wallets that can be charged now. `method` None, or
    not among these: the wallet is to be chosen first."""
    is_taken, method = method is not None, method if method in takes else None
    word, code, count = tag(offered.contest), offered.candidate.code, offered.count
    paying = payer_of(payer, verified)
    others = [m for m in takes if m is not method]
    wallets = [
        (
            tap(
                language,
                "other_wallet",
                ChooseWallet(contest=word, code=code, count=count, wallet=other.letter, payer=paying),
                wallet=wallet_name(language, other),
            ),
        )
        for other in others
    ]
    leave = (
        tap(language, "other_number", TypePayer(contest=word, code=code, count=count)),
        tap(language, "cancel", Cancel(contest=word)),
    )
    shown = _facts(language, offered) | {"number": payer.masked()}
    if method is None:
        lines = [say(language, "confirm.which_wallet", **shown)]
        if not is_taken and not_taken_yet(payer, taken=()) is not None:
            lines.insert(0, f"{why_no_wallet(language, payer)} {ways_to_pay(language, takes)}")
        return View(_amount_first(language, offered, "\n\n".join(lines)), (*wallets, leave))
    lines = _confirmed(language, shown, method, own=payer.e164 == verified)
    pay = tap(
        language,
        "pay",
        Pay(
            contest=word,
            code=code,
            count=count,
            wallet=method.letter,
            payer=paying,
            price=offered.contest.price.amount_minor,
        ),
        amount=shown["amount"],
    )
    return View(_amount_first(language, offered, "\n\n".join(lines)), ((pay,), *wallets, leave))


def _confirmed(language: str, shown: dict[str, str], method: PaymentMethod, *, own: bool) -> list[str]:
    if method is PaymentMethod.CARD:
        return [say(language, "confirm.card", **shown), say(language, "confirm.card_page")]
    lines = [say(language, "confirm.text", wallet=wallet_name(language, method), **shown)]
    if not own:
        lines.append(say(language, "confirm.stranger"))
    lines.append(say(language, "confirm.pin"))
    return lines


def _facts(language: str, offered: Offer) -> dict[str, str]:
    candidate = offered.candidate
    shown = facts(language, offered.count, candidate.code, candidate.name)
    return shown | {"contest": offered.contest.name, "amount": offered.amount.spoken()}


def order(language: str, placed: OrderView, contest: Contest | None, public_url: str, rails: Rails) -> View:
    """An order as it stands now: the message that is edited while the payment goes. `rails`: how its wallet asks."""
    what = say(language, "order.what", **facts_of(language, placed), amount=placed.amount.spoken())
    lines, buttons = _state(language, placed, contest, public_url, rails)
    return View("\n\n".join((what, *lines)), tuple((button,) for button in buttons))


def _state(
    language: str, placed: OrderView, contest: Contest | None, public_url: str, rails: Rails
) -> tuple[Sequence[str], Sequence[Button]]:
    match placed.status:
        case PublicStatus.PENDING:
            return _pending(language, placed, contest, rails)
        case PublicStatus.COMPLETED:
            link = f"{public_url}/verify/{placed.receipt}"
            lines = [say(language, "order.counted"), say(language, "order.receipt", receipt=placed.receipt, link=link)]
            return lines, _again(language, placed, contest)
        case PublicStatus.HELD:
            return [say(language, "order.held" if placed.reason == "review" else "order.owed")], ()
        case PublicStatus.REFUNDED:
            return [say(language, "order.refunded", amount=placed.amount.spoken())], ()
        case PublicStatus.EXPIRED:
            return [say(language, "order.expired")], _retry(language, placed, contest)
        case PublicStatus.FAILED:
            # The reason is HTML already.
            phrase = say(language, "order.failed", reason="\0")
            reason = why_not_paid(language, placed.reason, placed.method)
            return [phrase.replace("\0", reason)], _retry(language, placed, contest)


def _pending(
    language: str, placed: OrderView, contest: Contest | None, rails: Rails
) -> tuple[Sequence[str], Sequence[Button]]:
    place = (contest.country if contest else "", placed.method)
    paid_with = wallet_name(language, placed.method)
    if placed.payment_url is not None or rails.by_page(*place):
        if placed.payment_url is None or not placed.payment_url.startswith(("https://", "http://")):
            return [say(language, "order.page_coming", wallet=paid_with)], ()
        lines = [say(language, "order.page", wallet=paid_with)]
        if place in PAYMENT_CODES:
            lines.append(say(language, "order.page_code", code=PAYMENT_CODES[place], number=placed.payer_masked))
        return lines, [Button(plain(language, "button.page", wallet=paid_with), url=placed.payment_url)]
    if not placed.asked:
        return [say(language, "order.sent", number=placed.payer_masked)], ()
    lines = [
        say(language, "order.approve", wallet=paid_with, number=placed.payer_masked, amount=placed.amount.spoken())
    ]
    if place in APPROVAL_CODES:
        lines.append(say(language, "order.approve_by", code=APPROVAL_CODES[place]))
    return lines, ()


def _again(language: str, placed: OrderView, contest: Contest | None) -> Sequence[Button]:
    if contest is None:
        return ()
    word = tag(contest)
    return [
        tap(language, "again", OpenCard(contest=word, code=placed.candidate_code)),
        tap(language, "board", OpenRanking(contest=word)),
    ]


def _retry(language: str, placed: OrderView, contest: Contest | None) -> Sequence[Button]:
    if contest is None:
        return ()
    word = tag(contest)
    same = ChooseCount(contest=word, code=placed.candidate_code, count=placed.quantity)
    other = TypePayer(contest=word, code=placed.candidate_code, count=placed.quantity)
    return [
        tap(language, "retry", same),
        tap(language, "other_number", other),
        tap(language, "debited", OpenMenu(what="debited")),
    ]


def refused(language: str, text: str, contest: Contest | None) -> View:
    """Why nothing was sold, with the way back to the candidates. `text` is plain."""
    text = escape(text, quote=False)
    if contest is None:
        return View(text)
    back = tap(language, "candidates", OpenPeople(contest=tag(contest), page=0, here=True))
    return View(text, ((back,),))
