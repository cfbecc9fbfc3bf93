"""Every screen that a voter can reach, measured: 160 septets in any language, nothing left out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from channels import gsm
from channels.lint.screens import turns
from channels.lint.texts import RECEIPT
from channels.phrases import catalogue, languages, say
from channels.ussd.menu import lists
from channels.ussd.menu.helping import MY_VOTES_MAX, rules, rules_pages, votes_shown
from channels.ussd.menu.machine import advance, offered, start
from channels.ussd.menu.ordering import placed, quantity
from channels.ussd.menu.screen import refused
from channels.ussd.menu.session import SEPTETS_MAX, MenuView, Node, Session
from gateway.contests.contest import Candidate, Contest
from gateway.contests.service_codes import numbered
from gateway.orders.rules import Refusal
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Score, ranking_from
from payments.lifecycle import PublicStatus
from tests.channels.ussd.service import MOOV, MTN, ORANGE, line
from tests.demo import candidate_id, demo_contest
from tests.rails import RAILS, RAILS_WITH_CODE
from tests.rigs.voting_service import NOON

LONG_NAMES = (
    "Marie-Françoise Épiphanie N'Guessan-Ouattara",
    "Jean-Baptiste Kouadio Konan Kouassi Kouamé Yao",
    "Ñandé Ɛgbɛ Ɔkɔ Ŋwabɔ",
    "Œdipe Çelik d’Été « l’Étoile » 🌟🌟🌟",
    "Abdoulayeouattaracoulibalydiomandebambakonekonan",
    "{[€€€]} ~^~ |Tété| {[€€€]} ~^~ |Tété|",
    "Aïcha Traoré",
    "Grâce Hélène Aka",
    "Zoé",
    "Ibrahim «Le Lion» Coulibaly de Bouaké",
    "Adjoua Yapi – la voix d’or…",
    "Franck Zadi",
)
NUMBERS = ("07", "99999999", "10000", "000", "999999999", "0701020304")
INPUTS = ("", "0", "00", *"1234569", *NUMBERS, "x" * 80, "kon", "ab", RECEIPT)


def contest_of(price_minor: int, names: tuple[str, ...], name: str = "Star d'Abidjan") -> Contest:
    return replace(
        demo_contest(),
        name=name,
        price=Money(price_minor, "XOF"),
        candidates=tuple(Candidate(candidate_id(n), f"{n:02d}", held) for n, held in enumerate(names, start=1)),
        _by_code={},
    )


DEMO = tuple(c.name for c in demo_contest().candidates)
CONTESTS = {
    "demo": contest_of(100, DEMO),
    "long names": contest_of(100, LONG_NAMES),
    "dear": contest_of(10_000_000, DEMO),
    "long and dear": contest_of(10_000_000, LONG_NAMES, "Élection de la Plus Belle Voix d’Afrique de l’Ouest 2026"),
}


DEMO_WITH_PACKS = replace(CONTESTS["demo"], packs=(5, 10), _by_code={})


def views(contest: Contest) -> Iterator[MenuView]:
    scores = [Score(c.code, c.name, 999_999_999 - int(c.code)) for c in contest.candidates]
    ranking = ranking_from(contest.slug, 1, scores)
    for number in (MTN, ORANGE, MOOV):
        yield MenuView(contest, ranking, Msisdn(number, "CI"), None, NOON, RAILS_WITH_CODE)


def reachable(view: MenuView, language: str, depth: int = 4) -> Iterator[tuple[Session | None, str, str]]:
    """Session, input and screen of every step within so many inputs, each step once."""
    first = start(view, language)
    assert first.session is not None
    yield first.session, "", first.screen
    frontier, seen = {first.session}, {first.session}
    for _ in range(depth):
        found = set()
        for session in frontier:
            for text in INPUTS:
                for turn in turns(advance(session, text, view), view):
                    yield turn.session, text, turn.screen
                    if turn.session is not None and turn.session not in seen:
                        found.add(turn.session)
        seen |= found
        frontier = found


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
def test_every_reachable_screen_fits(contest: Contest, language: str) -> None:
    longest: dict[str, tuple[int, str]] = {}
    for view in views(contest):
        for session, _, screen in reachable(view, language):
            assert screen.strip()
            assert all(c in gsm.ONE_SEPTET or c in gsm.TWO_SEPTETS for c in screen), screen
            length = gsm.septets(screen)
            assert length <= SEPTETS_MAX, screen
            node = session.node.name if session else "END"
            longest[node] = max(longest.get(node, (0, "")), (length, screen))
    for node, (length, screen) in sorted(longest.items()):
        print(f"{language} {node} {length}\n{screen}\n")
    elsewhere = {"CONTESTS", "RESUME", "LANGUAGE", "FOUND"}
    assert {node.name for node in Node} - elsewhere | {"END"} <= set(longest)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
def test_no_choice_and_no_sum_is_ever_cut(contest: Contest, language: str) -> None:
    """Names give way, the rest does not."""
    for view in views(contest):
        for session, _, screen in reachable(view, language):
            if session is None:
                continue
            lines = screen.split("\n")
            if session.node is Node.HOME:
                assert [text[:2] for text in lines[-6:]] == ["1 ", "2 ", "3 ", "4 ", "5 ", "6 "], screen
                assert contest.price.spoken() in screen
            else:
                assert lines[-1].endswith(gsm.fold(say(session.language, "ussd.back"))), screen
            if session.node is Node.CONFIRM:
                assert contest.price.times(session.votes).spoken() in screen
                assert any(text.startswith("2 ") for text in lines), screen
                held = contest.candidate(session.code or "")
                assert held is not None
                assert f" {held.code} {gsm.fold(held.name)[:4].rstrip()}" in screen
            if session.node is Node.QUANTITY:
                assert contest.price.spoken() in screen


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
def test_every_wrong_input_is_answered_with_the_reason(contest: Contest, language: str) -> None:
    """The sentence above a screen is never dropped for want of limit."""
    paths = [(), ("1",), ("1", "9"), ("2",), ("6",), ("6", "1"), ("6", "2"), ("07",), ("06", "10000"), ("06", "5", "2")]
    for view in views(contest):
        for path in paths:
            for wrong in ("x", "99999999", "000"):
                turn = start(view, language)
                for text in path:
                    assert turn.session is not None
                    turn = advance(turn.session, text, view)
                before = turn.screen.split("\n")[0]
                assert turn.session is not None
                after = advance(turn.session, wrong, view).screen.split("\n")[0]
                assert after != before, (path, wrong, after)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
@pytest.mark.parametrize("votes", [0, 1, 10_000])
def test_the_offer_to_go_on_names_the_candidate(contest: Contest, language: str, votes: int) -> None:
    for candidate in contest.candidates:
        session = Session(Node.RESUME, language, contest.slug, code=candidate.code, votes=votes)
        turn = offered(session, next(views(contest)))
        assert turn is not None
        assert gsm.fits(turn.screen, SEPTETS_MAX)
        assert f" {candidate.code} {gsm.fold(candidate.name)[:4]}" in turn.screen
        assert [text[:2] for text in turn.screen.split("\n")[-2:]] == ["1 ", "2 "], turn.screen


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("count", [2, 6, 11, 25])
def test_every_contest_of_a_code_is_on_one_page_with_its_number(count: int, language: str) -> None:
    long = CONTESTS["long and dear"]
    sharing = tuple(
        replace(long, slug=f"c{n:02d}", opens_at=long.opens_at + timedelta(days=n), _by_code={}) for n in range(count)
    )
    choices = numbered(sharing)
    view = replace(next(views(long)), sharing=sharing, now=long.opens_at + timedelta(days=count))
    pages = [
        lists.contests(Session(language=language, page=page), view).screen
        for page in range(1, lists.pages_of(count) + 1)
    ]
    assert all(gsm.fits(page, SEPTETS_MAX) for page in pages)
    listed = [
        line.split(" ")[0] for page in pages for line in page.split("\n")[1:] if "lection" in line or "Élec" in line
    ]
    assert listed == [str(number) for number, _ in choices]


@pytest.mark.parametrize("language", languages())
def test_rules_are_paged_whole(language: str) -> None:
    words = " ".join(f"mot{n}" for n in range(120))
    contest = replace(DEMO_WITH_PACKS, rules={language: words}, contact="+225 07 01 02 03 04", _by_code={})
    count, view = len(rules_pages(contest, language)), next(views(contest))
    pages = [rules(Session(language=language, page=page), view).screen for page in range(1, count + 1)]
    assert len(pages) > 4
    assert all(gsm.fits(page, SEPTETS_MAX) for page in pages)
    whole = " ".join(line for page in pages for line in page.split("\n")[:-1])
    assert words in whole
    assert whole.endswith("+225 07 01 02 03 04")
    assert "31/12/2027 23:59" in whole


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("limit", [100, 140, 160])
def test_no_page_of_the_rules_holds_a_few_words(language: str, limit: int) -> None:
    for count in range(60):
        contest = replace(DEMO_WITH_PACKS, rules={language: "mot " * count}, contact="07" * (count % 9), _by_code={})
        pages = rules_pages(contest, language, limit)
        if len(pages) > 1:
            assert min(len(page.split()) for page in pages) >= 4, pages


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("limit", [100, 140, 160])
def test_a_narrower_aggregator_gets_narrower_screens(limit: int, language: str) -> None:
    for view in views(CONTESTS["demo"]):
        for _, _, screen in reachable(replace(view, limit=limit), language, depth=2):
            assert gsm.fits(screen, limit), screen


@pytest.mark.parametrize("language", languages())
def test_packs_are_shown_with_their_price_and_never_push_the_question_out(language: str) -> None:
    for packs in ((5, 10, 20), (10_000,) * 12):
        contest = replace(CONTESTS["long names"], packs=packs, _by_code={})
        for candidate in contest.candidates:
            session = Session(language=language, code=candidate.code)
            screen = quantity(session, next(views(contest))).screen
            assert f"{packs[0]} = {contest.price.times(packs[0]).spoken()}" in screen
            assert screen.split("\n")[-1] == gsm.fold(say(language, "ussd.back"))
            assert f"{candidate.code} {gsm.fold(candidate.name)[:4]}" in screen
            assert gsm.fits(screen, SEPTETS_MAX)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_fits_whole(refusal: Refusal, language: str) -> None:
    screen = refused(refusal, CONTESTS["long and dear"], language, "99999999")
    assert screen[-1] in ".04!", screen
    assert gsm.fits(screen, SEPTETS_MAX)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("method", RAILS.methods("CI"))
@pytest.mark.parametrize("elsewhere", [None, Msisdn(ORANGE, "CI")])
@pytest.mark.parametrize("by_page", [True, False])
@pytest.mark.parametrize("dialled", ["", "*133#", "#144*82#"])
def test_the_last_screen_is_whole(
    method: PaymentMethod, language: str, elsewhere: Msisdn | None, by_page: bool, dialled: str
) -> None:
    amount = Money(100_000_000_000, "XOF")
    screen = placed(method, amount, language, elsewhere, by_page=by_page, dialled=dialled)
    assert screen.endswith("."), screen
    assert gsm.fits(screen, SEPTETS_MAX)
    assert "100 000 000 000 FCFA" in screen
    assert dialled in screen
    secret = "code secret" if language == "fr" else "PIN"
    assert (secret in screen) is not by_page


@pytest.mark.parametrize("language", languages())
def test_my_votes(language: str) -> None:
    lines = [replace(line(status=status), quantity=10_000) for status in PublicStatus]
    session, view = Session(language=language), next(views(CONTESTS["demo"]))
    for shown in (lines[:4], lines[2:], [line(receipt="7K2M9QXW4T")] * 9, []):
        screen = votes_shown(session, view, shown).screen
        assert gsm.fits(screen, SEPTETS_MAX)
        assert screen.split("\n")[-1] == gsm.fold(say(language, "ussd.back"))
        assert screen.count("\n") == max(1, min(len(shown), MY_VOTES_MAX))
    assert "07 x5 7K2M9QXW4T" in votes_shown(session, view, [line(receipt="7K2M9QXW4T")]).screen


@pytest.mark.parametrize("language", languages())
def test_sentences_without_values_fit(language: str) -> None:
    for key in ("ussd.unreadable", "ussd.failed", "ussd.no_votes", "refusal.try_again", "refusal.unknown_contest"):
        assert gsm.fits(gsm.fold(say(language, key)), SEPTETS_MAX)


def test_menu_numbers_have_no_brackets() -> None:
    for phrases in catalogue().values():
        assert not any(set("[]()") & set(text) for key, text in phrases.items() if key.startswith("ussd."))
