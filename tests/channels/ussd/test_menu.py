"""Dialogues that read like a phone call: what is typed, what the screen shows, what is bought."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels import gsm
from channels.ussd.menu.machine import advance, start
from channels.ussd.menu.session import Buy, MenuView, Node, Session, Turn, Wants
from gateway.contests.blackout import Blackout
from gateway.contests.contest import CandidateStatus
from gateway.contests.rounds import Round
from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import ON_PHONES, PaymentMethod
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from gateway.values.time_zones import digits
from tests.channels.ussd.service import MOOV, MTN, NEW, ORANGE, view
from tests.demo import demo_contest
from tests.rails import PUSH, RAILS
from tests.rigs.voting_service import NOON

# Inputs that lead to a screen which is whole without the service.
SHOWN = [
    *([], ["1"], ["1", "9"], ["2"], ["6"], ["6", "1"], ["ko"], ["07"], ["07", "5"]),
    *(["07", "5", "2"],),
]
EVERYWHERE = [*SHOWN, ["3"], ["5"], ["6", "2"]]


class Call:
    """A handset under test."""

    def __init__(self, seen: MenuView | None = None, language: str = "fr") -> None:
        self.view = seen or view()
        self.turn: Turn = start(self.view, language)

    def type(self, *inputs: str) -> "Call":
        for text in inputs:
            assert self.turn.session is not None, "the dialogue is over"
            self.turn = advance(self.turn.session, text, self.view)
        return self

    @property
    def screen(self) -> str:
        return self.turn.screen

    @property
    def node(self) -> Node | None:
        return self.turn.session.node if self.turn.session else None

    def shows(self, *texts: str) -> "Call":
        for text in texts:
            assert text in self.screen, self.screen
        return self


def test_code_number_one_is_a_whole_vote() -> None:
    call = Call().shows(
        "Star d'Abidjan", "1 vote = 100 FCFA", "1 Candidats", "2 Classement", "3 Mes votes", "4 English"
    )
    call.type("07").shows("07 Awa Ouattara", "Combien de votes?", "0 Retour")
    call.type("5").shows("5 votes pour 07 Awa Ouattara", "Total 500 FCFA", "1 Payer MTN MoMo 05..0304", "2 Autre")
    call.type("1").shows("500 FCFA", "code secret MTN MoMo", "*133#")
    assert call.turn.session is None
    assert call.turn.buy == Buy("07", 5, PaymentMethod.MTN, Msisdn(MTN, "CI"), False, "fr")


def test_one_vote_is_singular() -> None:
    Call().type("07", "1").shows("1 vote pour 07")
    Call(language="en").type("07", "1").shows("1 vote for 07")


def test_an_orange_voter_is_shown_the_link_and_the_code() -> None:
    call = Call(view(ORANGE)).type("07", "2").shows("1 Payer Orange Money 07..0304")
    call.type("1").shows("SMS", "lien", "#144*82#", "200 FCFA")
    assert call.turn.buy is not None
    assert call.turn.buy.method is PaymentMethod.ORANGE


@pytest.mark.parametrize(
    ("number", "expected", "absent"),
    [
        ("+237691110002", ("code secret Orange Money", "200 FCFA", "#150*50#"), ("lien", "#144*82#")),
        # MTN's own code is another one there, which no source of ours confirms.
        ("+237671110001", ("code secret MTN MoMo", "200 FCFA"), ("*133#",)),
    ],
)
def test_in_another_country_the_same_wallet_asks_otherwise(
    number: str, expected: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    rails = Rails(tuple(Rail(m.value, "CM", m, PUSH, frozenset({"XAF"})) for m in ON_PHONES))
    contest = replace(demo_contest(), country="CM", price=Money(100, "XAF"), _by_code={})
    seen = replace(view(), contest=contest, sharing=(contest,), dialler=Msisdn(number, "CM"), network=None, rails=rails)
    call = Call(seen).type("07", "2").type("1").shows(*expected)
    assert not [word for word in absent if word in call.screen]
    Call(seen).type("07", "2", "2").shows("Exemple: 671234567").type("05").shows("Exemple: 671234567")


def test_the_network_that_dials_beats_the_prefix() -> None:
    Call(view(MTN, "61203")).type("07", "1").shows("1 Payer Orange Money")
    Call(view(MTN, "mtn")).type("07", "1").shows("1 Payer MTN MoMo")
    Call(view(ORANGE, "unknown")).type("07", "1").shows("1 Payer Orange Money")


def test_the_wallet_can_be_changed_and_changed_back() -> None:
    call = Call().type("07", "5", "3").shows("1 Payer Wave 05..0304", "3 MTN MoMo")
    call.type("3").shows("1 Payer MTN MoMo", "3 Wave, lien par SMS")
    call.type("3", "1").shows("Un SMS vous donne le lien pour payer 500 FCFA")
    assert call.turn.buy is not None
    assert call.turn.buy.method is PaymentMethod.WAVE
    assert call.turn.buy.payer.e164 == MTN


def test_unknown_wallet_is_asked_for_and_never_guessed() -> None:
    call = Call(view(NEW)).type("07", "5").shows("2 Autre numéro", "3 MTN MoMo", "4 Orange Money", "5 Wave")
    assert "1 Payer" not in call.screen
    call.type("1").shows("Quel compte débiter?", "3 MTN MoMo", "4 Orange Money", "5 votes pour 07", "Total 500 FCFA")
    assert (call.node, call.turn.buy) == (Node.CONFIRM, None)
    call.type("4").shows("1 Payer Orange Money 09..0304").type("1")
    assert call.turn.buy is not None


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_number_whose_own_wallet_is_not_accepted_is_shown_what_it_may_pay_with(language: str) -> None:
    call = Call(view(MOOV), language).type("07", "5").shows("Moov Money", "3 Wave")
    assert not [
        word for word in ("1 ", "MTN", "Orange") if f"\n{word}" in call.screen or word in call.screen.split("07")[1]
    ]
    assert Call(view(NEW, "61202"), language).type("07", "5").screen.startswith(call.screen.split("\n")[0])
    call.type("1").shows("Moov Money", "3 Wave").type("3").shows(" Wave 01..0304").type("1").shows("500 FCFA")
    assert call.turn.buy == Buy("07", 5, PaymentMethod.WAVE, Msisdn(MOOV, "CI"), False, language)


def test_without_a_wallet_another_number_pays() -> None:
    none = replace(view(MOOV), rails=RAILS)
    call = Call(none).type("07", "5").shows("Moov Money n'est pas encore accepté. Un autre numéro peut payer.")
    assert call.screen.endswith("\n2 Autre numéro\n0 Retour")
    for typed in ("1", "3", "4"):
        assert Call(none).type("07", "5", typed).turn.buy is None
    call.type("2", "0501020304").shows("1 Payer MTN MoMo 05..0304").type("1")
    assert call.turn.buy == Buy("07", 5, PaymentMethod.MTN, Msisdn(MTN, "CI"), True, "fr")
    Call(replace(view(), rails=RAILS)).type("07", "5", "2", "0101020304").shows("Moov Money", "2 Autre numéro")


def test_no_wallet_of_another_network_is_offered() -> None:
    for number, network in ((MTN, None), (ORANGE, "61205"), (NEW, "mtn")):
        screen = Call(view(number, network)).type("07", "5").screen
        assert ("Payer MTN MoMo" in screen, "Orange" in screen) == (True, False)
    # The network that dials is not that of a number which is typed.
    assert "Payer Orange" in Call(view(MTN, "61205")).type("07", "5", "2", "0701020304").screen


def test_another_number_is_shown_before_it_pays() -> None:
    call = Call().type("07", "5", "2").shows("Tapez le numéro Mobile Money à débiter")
    call.type("0701020304").shows("5 votes pour 07", "Total 500 FCFA", "1 Payer Orange Money 07..0304")
    assert call.turn.buy is None
    call.type("1").shows("#144*82# sur 07..0304")
    assert call.turn.buy == Buy("07", 5, PaymentMethod.ORANGE, Msisdn(ORANGE, "CI"), True, "fr")


def test_another_mtn_number_is_shown_where_the_request_comes() -> None:
    call = (
        Call(view(ORANGE))
        .type("07", "5", "2", "05 01 02 03 04", "1")
        .shows("Sur 05..0304, tapez le code secret MTN MoMo", "*133#")
    )
    assert call.turn.buy is not None
    assert (call.turn.buy.payer.e164, call.turn.buy.typed) == (MTN, True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("12", "incorrect"),
        ("abc", "incorrect"),
        ("01020304", "incorrect"),
        ("2720304050", "incorrect"),
        ("+33612345678", "numéros de son pays"),
        ("9" * 40, "incorrect"),
        ("*", "incorrect"),
    ],
)
def test_a_number_that_cannot_pay_is_asked_again(typed: str, expected: str) -> None:
    call = Call().type("07", "5", "2", typed).shows(expected, "Tapez le numéro Mobile Money à débiter")
    assert (call.node, call.turn.buy) == (Node.OTHER_NUMBER, None)
    call.type("0").shows("1 Payer MTN MoMo 05..0304")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("000", "de 1 à 10000"),
        ("-5", "de 1 à 10000"),
        ("+5", "de 1 à 10000"),
        ("1.5", "de 1 à 10000"),
        ("cinq", "de 1 à 10000"),
        ("10001", "Au plus 10000"),
        ("1000000000", "Au plus 10000"),
        ("9" * 200, "Au plus 10000"),
    ],
)
def test_a_wrong_number_of_votes_is_asked_again(typed: str, expected: str) -> None:
    call = Call().type("07", typed).shows(expected, "07 Awa Ouattara", "Combien de votes?")
    assert call.node is Node.QUANTITY
    call.type("5").shows("Total 500 FCFA")


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_one_digit_of_a_code_hints_at_the_code(language: str) -> None:
    for digit in "789":
        call = Call(language=language).type(digit)
        assert call.screen.split("\n")[0].count(f"0{digit}") == 2
        assert call.node is Node.HOME
    few = replace(demo_contest(), candidates=demo_contest().candidates[:7], _by_code={})
    assert "08" not in Call(view(contest=few), language).type("8").screen


@pytest.mark.parametrize("typed", ["13", "99", "77777777", "0700"])
def test_an_unknown_code_shows_the_first_screen_again(typed: str) -> None:
    Call().type(typed).shows(f"Code {typed[:6]} inconnu", "1 Candidats", "4 English")
    Call().type("1", typed).shows("inconnu", "01 Aya Koné", "9 Suite")


def test_who_withdrew_cannot_be_voted_for() -> None:
    contest = demo_contest()
    gone = replace(contest.candidates[6], status=CandidateStatus.WITHDRAWN)
    without = replace(contest, candidates=(*contest.candidates[:6], gone, *contest.candidates[7:]), _by_code={})
    Call(view(contest=without)).type("07").shows("07 n'est plus en lice", "1 Candidats")
    listed = Call(view(contest=without)).type("1", "9")
    assert "07" not in listed.screen


def test_who_withdraws_on_the_way_is_not_sold() -> None:
    call = Call().type("07", "5")
    contest = demo_contest()
    gone = replace(contest.candidates[6], status=CandidateStatus.WITHDRAWN)
    call.view = view(contest=replace(contest, candidates=(gone,), _by_code={}))
    call.type("1").shows("n'est plus en lice")
    assert (call.turn.session, call.turn.buy) == (None, None)


def test_pages_of_the_list_by_one_digit() -> None:
    call = Call().type("1").shows("01 Aya Koné", "05 Fatou Bamba", "9 Suite 0 Retour")
    assert "06" not in call.screen
    call.type("9").shows("06 Serge Gnagne", "10 Moussa Diabaté")
    call.type("9").shows("11 Akissi Konan", "12 Franck Zadi", "0 Retour")
    assert "9 Suite" not in call.screen
    call.type("9").shows("Choix inconnu", "12 Franck Zadi")
    call.type("0").shows("06 Serge Gnagne").type("0").shows("01 Aya Koné").type("0").shows("1 Candidats")


def test_a_code_typed_on_any_page_chooses_and_back_returns_to_that_page() -> None:
    call = Call().type("1", "9", "12").shows("12 Franck Zadi", "Combien de votes?")
    call.type("0").shows("06 Serge Gnagne").type("00").shows("1 Candidats")
    assert Call().type("12", "0").node is Node.HOME


def test_one_digit_in_the_list_is_never_a_candidate() -> None:
    call = Call().type("1", "7").shows("Choix inconnu")
    assert call.node is Node.LIST


def test_ranking_has_everybody() -> None:
    call = Call().type("2").shows("1. Franck Zadi 12 000", "5. Ibrahim Coulibaly 8 000", "9 Suite")
    call.type("9").shows("10. Mariam Traoré 3 000", "9 Suite")
    call.type("9").shows("11. Kouadio N'Guessan 2 000", "12. Aya Koné 1 000")
    assert "9 Suite" not in call.screen
    call.type("01").shows("01 Aya Koné", "Combien de votes?").type("00", "2", "9").shows("10. ")
    call.type("0").shows("1. Franck Zadi").type("0").shows("1 Candidats")


def test_a_ranking_that_is_hidden_is_a_list_of_candidates() -> None:
    seen = view()
    call = Call(replace(seen, ranking=replace(seen.ranking, hidden=Blackout(seen.now)))).type("2")
    call.shows("Classement caché jusqu'à l'annonce.", "01 Aya Koné", "9 Suite")
    assert (call.turn.wants, "000" in call.screen) == (None, False)
    assert call.type("9").node is Node.RANKING
    call.shows("06 ").type("07").shows("07 Awa Ouattara", "Combien de votes?")


def test_my_votes_is_asked_of_the_shell() -> None:
    call = Call().type("3")
    assert (call.turn.wants, call.node) == (Wants.VOTES, Node.MY_VOTES)
    assert call.type("x").turn.wants is Wants.VOTES
    call.type("0").shows("1 Candidats")


def test_english_and_back() -> None:
    call = Call().type("4").shows("Candidate's code", "4 Francais")
    call.type("07").shows("How many votes?").type("00").shows("Ranking")
    call.type("07", "5", "1").shows("Enter your MTN MoMo PIN")
    assert call.turn.buy is not None
    assert call.turn.buy.language == "en"
    Call().type("4", "4").shows("Code du candidat")


@pytest.mark.parametrize("path", EVERYWHERE, ids="-".join)
def test_home_from_everywhere(path: list[str]) -> None:
    call = Call().type(*path, "00").shows("1 vote = 100 FCFA", "1 Candidats")
    assert call.turn.session == Session(contest="star")


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ([], Node.HOME),
        (["1"], Node.HOME),
        (["2"], Node.HOME),
        (["3"], Node.HOME),
        (["5"], Node.HOME),
        (["6"], Node.HOME),
        (["6", "1"], Node.HELP),
        (["6", "2"], Node.HELP),
        (["ko"], Node.HOME),
        (["ko", "07"], Node.FOUND),
        (["07"], Node.HOME),
        (["07", "5"], Node.QUANTITY),
        (["07", "5", "2"], Node.CONFIRM),
    ],
    ids=str,
)
def test_back_from_everywhere(path: list[str], back: Node) -> None:
    assert Call().type(*path, "0").node is back


@pytest.mark.parametrize("path", SHOWN, ids="-".join)
@pytest.mark.parametrize("nonsense", ["x", "?!", "💥", "-1", "1 1", "#"])
def test_nonsense_shows_the_same_screen_with_one_sentence_above(path: list[str], nonsense: str) -> None:
    before = Call().type(*path)
    after = Call().type(*path, nonsense)
    notice, _, rest = after.screen.partition("\n")
    assert notice
    assert rest == before.screen.removeprefix("Code ou début du nom:\n")
    assert after.node is before.node


@pytest.mark.parametrize("path", SHOWN, ids="-".join)
def test_an_empty_input_shows_the_same_screen(path: list[str]) -> None:
    assert Call().type(*path, "").screen == Call().type(*path).screen


def test_nothing_is_sold_before_the_opening_or_after_the_close() -> None:
    contest = demo_contest()
    early = view(contest=replace(contest, opens_at=NOON + timedelta(days=1), _by_code={}))
    late = view(contest=replace(contest, closes_at=NOON, _by_code={}))
    assert Call(early).shows("pas encore ouvert").turn.session is None
    for typed in ("07", "1", "aya", "77"):
        call = Call(late).type(typed).shows("Rien n'a été débité")
        assert (call.turn.session, call.turn.buy) == (None, None)


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_contest_that_is_over_still_answers_who_was_debited(language: str) -> None:
    late = view(contest=replace(demo_contest(), closes_at=NOON, _by_code={}))
    shown = Call(late, language).turn.screen
    assert [line[0] for line in shown.splitlines()[1:]] == ["2", "3", "4", "5", "6"]
    assert gsm.fits(shown, 160)
    assert Call(late).type("5").turn.wants is Wants.RESCUE
    assert Call(late).type("5", "1").turn.wants is Wants.RESCUE
    assert Call(late).type("3").turn.wants is Wants.VOTES
    Call(late).type("2").shows("1. ").type("0").shows("vote clos").type("6", "2").shows("Fin du vote")
    Call(late).type("2", "07").shows("est clos")
    Call(late).type("8").shows("Choix inconnu.", "vote clos").type("00").shows("vote clos")


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_between_two_rounds_a_dialler_reads_when_the_next_one_opens(language: str) -> None:
    hour = timedelta(hours=1)
    rounds = (Round(1, "Un", NOON - 3 * hour, NOON - hour), Round(2, "Deux", NOON + hour, NOON + 2 * hour))
    contest = replace(demo_contest(), time_zone="Africa/Douala", rounds=rounds, reopens_at=NOON + hour, _by_code={})
    between = view(contest=contest)
    opens = digits(NOON + hour, "Africa/Douala")
    shown = Call(between, language).shows(opens).turn.screen
    assert [line[0] for line in shown.splitlines()[1:]] == ["2", "3", "4", "5", "6"]
    assert gsm.fits(shown, 160)
    Call(between, language).type("2").shows("1. ").type("0").shows(opens)
    for typed in ("07", "1", "aya"):
        call = Call(between, language).type(typed).shows(opens)
        assert (call.turn.session, call.turn.buy) == (None, None)
    in_second = replace(view(contest=replace(contest, reopens_at=None, _by_code={})), now=NOON + hour)
    assert Call(in_second, language).type("07", "5", "1").turn.buy is not None


def test_a_contest_that_closes_on_the_way_ends_the_dialogue() -> None:
    call = Call().type("07", "5")
    call.view = replace(call.view, now=call.view.contest.closes_at)
    call.type("1").shows("clos")
    assert (call.turn.session, call.turn.buy) == (None, None)


def test_a_session_survives_its_storage() -> None:
    call = Call().type("4", "1", "9", "07", "5", "2", "0701020304", "3")
    session = call.turn.session
    assert session is not None
    assert Session.unpacked([*session]) == session


@pytest.mark.parametrize(
    "held", [[], ["h"], ["x", "fr", "", 0, "", None, 0, None, None], ["h", "fr", "", "?", "", None, 0, None, None]]
)
def test_a_session_that_is_none_is_refused(held: list[object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Session.unpacked(held)
