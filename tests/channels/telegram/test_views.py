"""Messages as plain values: what they say, that they fit, and that names stay names."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import pytest

from channels.receipts import CheckedReceipt
from channels.telegram import order_views, views
from channels.telegram.reading import Offer, offer
from channels.telegram.texts import CAPTION_UNITS_MAX, TEXT_UNITS_MAX, catalogue, cut, say, spoken_in, units
from channels.telegram.views import PACKS, View
from gateway.contests.blackout import Blackout
from gateway.contests.contest import Candidate, Contest
from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Ranking, Score, ranking_from
from payments.collection.order_views import OrderView, ReceiptView, TakenBack, VoteLine
from payments.lifecycle import REASONS, PublicStatus
from tests.demo import demo_contest
from tests.rails import PAGE, PUSH, RAILS, XOF

CONTEST = demo_contest()
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINE = Msisdn("+2250501020304", "CI")
LANGUAGES = ("fr", "en")
PERSON = CONTEST.candidates[6]
SCORES = ranking_from("star", 1, [Score(c.code, c.name, int(c.code)) for c in CONTEST.candidates])


def crowded() -> tuple[Contest, Ranking]:
    """A contest with as many and as awkward names as may be."""
    people = tuple(Candidate(uuid4(), f"{n:04d}", "<u>&" + "Ÿ🌟" * 100) for n in range(1, 501))
    contest = replace(CONTEST, name="<u>" + "É" * 80, candidates=people, rules={"fr": "<u>a<&" * 5_000}, _by_code={})
    return contest, ranking_from("star", 1, [Score(c.code, c.name, 9_999_999) for c in people])


def asked(**changes: object) -> OrderView:
    order = OrderView(
        vote_id=uuid4(),
        contest_slug="star",
        candidate_code="07",
        candidate_name="Awa Ouattara",
        quantity=5,
        amount=CONTEST.price.times(5),
        status=PublicStatus.PENDING,
        reason=None,
        receipt=None,
        method=PaymentMethod.MTN,
        payer_masked=MINE.masked(),
        payment_url=None,
        placed_at=NOON,
        pay_before=None,
    )
    return replace(order, **changes)  # type: ignore[arg-type] # any field


def offered() -> Offer:
    found = offer(CONTEST, "07", 5, NOON)
    assert isinstance(found, Offer)
    return found


def measured(view: View) -> int:
    """Length as Telegram counts it: after its entities are parsed."""
    return units(unescape(re.sub(r"<[^>]+>", "", view.text)))


def labels(view: View) -> list[str]:
    return [button.text for row in view.rows for button in row]


def data_of(view: View) -> list[str]:
    return [button.data for row in view.rows for button in row if button.data]


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_fits_in_a_crowded_contest(language: str) -> None:
    contest, scores = crowded()
    person = contest.candidates[0]
    lines = [VoteLine(c.code, c.name, 10_000, PublicStatus.EXPIRED, "A" * 10, NOON) for c in contest.candidates[:10]]
    found = offer(contest, person.code, 10_000, NOON)
    assert isinstance(found, Offer)
    shown = [
        views.home(language, contest, NOON),
        views.people(language, contest, 62),
        views.ranking(language, contest, scores, live=True),
        views.rules(language, contest),
        views.my_votes(language, lines),
        views.found(language, contest, contest.candidates[:8]),
        views.contests(language, [contest] * 100),
        views.meant(language, [contest] * 100, person.code, 10_000),
        views.meant(language, [contest] * 100, person.code, 10**11),
        views.help_text(language, contest),
        order_views.confirm(language, found, MINE, PaymentMethod.MTN, None, RAILS.methods("CI")),
        order_views.ask_payer(language, found, None),
    ]
    for view in shown:
        assert measured(view) <= TEXT_UNITS_MAX
        assert sum(len(row) for row in view.rows) <= 100
        assert all(len(data.encode()) <= 64 for data in data_of(view))
    assert measured(views.card(language, contest, person, scores, "https://t.me/x?start=c_0001")) <= CAPTION_UNITS_MAX


def test_names_cannot_become_markup() -> None:
    contest, scores = crowded()
    for view in (
        views.home("fr", contest, NOON),
        views.ranking("fr", contest, scores, live=True),
        views.rules("fr", contest),
        views.card("fr", contest, contest.candidates[0], scores),
    ):
        assert "&lt;u&gt;" in view.text
        assert "<u>" not in view.text


@pytest.mark.parametrize(
    ("now", "says"),
    [(NOON, "Choisissez"), (CONTEST.closes_at, "clos"), (CONTEST.opens_at.replace(year=2025), "pas encore ouvert")],
)
def test_home_knows_the_hour(now: datetime, says: str) -> None:
    assert says in views.home("fr", CONTEST, now).text


@pytest.mark.parametrize(("page", "says"), [(0, "page 1 sur 2"), (1, "page 2 sur 2"), (99, "page 2 sur 2")])
def test_a_page_too_far_is_the_last(page: int, says: str) -> None:
    assert says in views.people("fr", CONTEST, page).text


@pytest.mark.parametrize(
    ("packs", "maximum", "shown"),
    [((), 10_000, PACKS), ((3, 30), 10_000, (3, 30)), ((), 10, (1, 5, 10)), ((50,), 10, ())],
)
def test_packs_are_the_contests_own_within_its_limit(
    packs: tuple[int, ...], maximum: int, shown: tuple[int, ...]
) -> None:
    assert views.offered_packs(replace(CONTEST, packs=packs, quantity_max=maximum, _by_code={})) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_ranking_that_is_hidden_has_no_figure(language: str) -> None:
    dark = replace(SCORES, hidden=Blackout(NOON))
    board, card = views.ranking(language, CONTEST, dark, live=True), views.card(language, CONTEST, PERSON, dark)
    for text in (board.text, card.text):
        assert "caché" in text if language == "fr" else "hidden" in text
        assert not re.search(r"\b7 votes|rang|rank 6|<b>7</b>", text)
    assert labels(card) == labels(views.card(language, CONTEST, PERSON, SCORES)), "votes are sold"


def test_a_card_shows_rank_and_price() -> None:
    view = views.card("fr", CONTEST, CONTEST.candidates[6], SCORES)
    assert "7 votes, rang 6" in view.text
    assert "5 votes · 500 FCFA" in labels(view)


@pytest.mark.parametrize(
    ("payer", "method", "verified", "says", "silent", "buttons"),
    [
        (MINE, PaymentMethod.MTN, MINE.e164, ["MTN MoMo", "500 FCFA"], ["propriétaire"], ["Payer 500 FCFA"]),
        (MINE, PaymentMethod.MTN, None, ["propriétaire"], [], ["Payer 500 FCFA", "Payer avec Orange Money"]),
        (MINE, None, MINE.e164, ["quel compte"], [], ["Payer avec MTN MoMo", "Payer avec Orange Money"]),
    ],
)
def test_the_confirmation(
    payer: Msisdn,
    method: PaymentMethod | None,
    verified: str | None,
    says: list[str],
    silent: list[str],
    buttons: list[str],
) -> None:
    view = order_views.confirm("fr", offered(), payer, method, verified, RAILS.methods("CI"))
    assert all(word in view.text for word in says)
    assert not any(word in view.text for word in silent)
    assert set(buttons) <= set(labels(view))
    assert payer.e164 not in view.text
    assert ("Payer 500 FCFA" in labels(view)) is (method is not None)


@pytest.mark.parametrize(
    ("changes", "says", "buttons"),
    [
        ({}, "part vers", []),
        ({"asked": True}, "validez la demande MTN MoMo de 500 FCFA", []),
        ({"method": PaymentMethod.ORANGE}, "page de paiement Orange Money arrive", []),
        (
            {"method": PaymentMethod.ORANGE, "payment_url": "https://pay.example"},
            "#144*82#",
            ["Payer avec Orange Money"],
        ),
        ({"method": PaymentMethod.ORANGE, "payment_url": "javascript:alert(1)"}, "arrive", []),
        ({"status": PublicStatus.COMPLETED, "receipt": "ABCDEFGHJK"}, "ABCDEFGHJK", ["Voter encore", "Classement"]),
        (
            {"status": PublicStatus.FAILED, "reason": "declined"},
            "refusé",
            ["Réessayer", "Autre numéro", "J'ai été débité"],
        ),
        (
            {"status": PublicStatus.FAILED, "reason": "brand new"},
            "MTN MoMo a refusé",
            ["Réessayer", "Autre numéro", "J'ai été débité"],
        ),
        ({"status": PublicStatus.EXPIRED}, "pas été confirmé", ["Réessayer", "Autre numéro", "J'ai été débité"]),
        ({"status": PublicStatus.HELD, "reason": "review"}, "vérifie", []),
        ({"status": PublicStatus.HELD, "reason": "refund_pending"}, "remboursé", []),
        ({"status": PublicStatus.REFUNDED}, "500 FCFA ont été remboursés", []),
    ],
)
def test_an_order_in_every_state(changes: dict[str, object], says: str, buttons: list[str]) -> None:
    view = order_views.order("fr", asked(**changes), CONTEST, "https://vote.example", RAILS)
    assert says in view.text
    assert labels(view) == buttons
    assert order_views.order("en", asked(**changes), None, "", RAILS).text


def test_how_the_wallet_asks_is_known_before_it_does() -> None:
    waiting = asked(method=PaymentMethod.WAVE)
    for kinds, says in ((PAGE, "page de paiement Wave arrive"), (PUSH, "part vers")):
        rails = Rails((Rail("wave", "CI", PaymentMethod.WAVE, kinds, XOF),))
        assert says in order_views.order("fr", waiting, CONTEST, "", rails).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", [*sorted(REASONS), None])
def test_every_reason_has_words(language: str, reason: str | None) -> None:
    failed = asked(status=PublicStatus.FAILED, reason=reason)
    assert "{" not in order_views.order(language, failed, CONTEST, "", RAILS).text


def test_a_board_says_whether_it_moves() -> None:
    assert "tout seul" in views.ranking("fr", CONTEST, SCORES, live=True).text
    assert "ne bouge plus" in views.ranking("fr", CONTEST, SCORES, live=False).text
    assert labels(views.ranking("fr", CONTEST, SCORES, live=False, private=False)) == ["Actualiser"]


@pytest.mark.parametrize("status", list(PublicStatus))
def test_ones_own_votes(status: PublicStatus) -> None:
    receipt = "ABCDEFGHJK" if status is PublicStatus.COMPLETED else None
    text = views.my_votes("en", [VoteLine("07", "A <b>", 1, status, receipt, NOON)]).text
    assert "A &lt;b&gt;: 1 vote" in text
    assert ("ABCDEFGHJK" in text) is (receipt is not None)


def test_languages_that_the_bot_has_no_phrases_for_get_their_neighbours() -> None:
    assert spoken_in("wes") == "en"
    assert spoken_in("xx") == "fr"
    assert set(catalogue()) == set(LANGUAGES)
    assert say("wes", "confirm.cancelled") == say("en", "confirm.cancelled")


@pytest.mark.parametrize(
    ("text", "room", "kept"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a🌟🌟", 4, "a🌟…"), ("a🌟🌟", 3, "a…"), ("ab  cd", 5, "ab…")],
)
def test_texts_are_cut_by_the_units_that_telegram_counts(text: str, room: int, kept: str) -> None:
    assert cut(text, room) == kept
    assert units(kept) <= room


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_of_a_vote_that_was_taken_back_names_both_entries(language: str) -> None:
    proof = ReceiptView("7K2M9QXW4T", "star", "Star", "07", "Awa", 5, CONTEST.price.times(5), 12, NOON)
    back = replace(proof, taken_back=TakenBack(57, NOON, "voided <window>" * 100))
    shown = views.receipt(language, proof.receipt, CheckedReceipt(back, True, "Africa/Abidjan"))
    assert ("12" in shown.text, "57" in shown.text) == (True, True)
    assert "voided &lt;window&gt;" in shown.text
    assert units(shown.text) < 1024
    texts = [
        views.receipt(language, proof.receipt, CheckedReceipt(proof, logged, "Africa/Abidjan")).text
        for logged in (True, False)
    ]
    assert texts[0] != texts[1]
    assert "57" not in "".join(texts)
    assert all("7K2M9QXW4T" in views.receipt(language, proof.receipt, status).text for status in PublicStatus)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verified", [None, MINE.e164])
def test_a_card_is_paid_without_a_phone(language: str, verified: str | None) -> None:
    found = offer(CONTEST, "07", 20, NOON)
    assert isinstance(found, Offer)
    takes = (PaymentMethod.MTN, PaymentMethod.CARD)
    by_card = order_views.confirm(language, found, MINE, PaymentMethod.CARD, verified, takes).text
    by_phone = order_views.confirm(language, found, MINE, PaymentMethod.MTN, verified, takes).text
    assert MINE.masked() in by_phone
    assert MINE.masked() not in by_card
    assert "2\u202f000" in by_card or "2 000" in by_card or "2\u00a0000" in by_card
