"""What an operator's answer means, case by case, without an operator."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from gateway.orders.rules import PAYMENT_URL
from gateway.runtime.owed_work import EVERY_SECONDS
from gateway.values.money import Money
from payments.collection.observations import OpenPayment, not_configured, of_create, of_report, put_back
from payments.lifecycle import Observed, State
from payments.provider import (
    Accepted,
    Capabilities,
    Collection,
    CreateResult,
    Failed,
    Kind,
    NeedsOtp,
    NotFound,
    NotSent,
    PayerReason,
    Recovery,
    Redirect,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

NOW = datetime(2026, 6, 1, 20, 0, tzinfo=UTC)
CAN = Capabilities(
    kinds=frozenset({Kind.PUSH}),
    currencies=frozenset({"XOF"}),
    open_seconds=330,
    ladder_seconds=(10, 20, 30),
    status_per_second=10,
    phone_needed=True,
)
REDIRECTS = replace(CAN, kinds=frozenset({Kind.REDIRECT}), recovery=Recovery.ABANDON)
ASKED = Money(500, "XOF")


def payment(state: State = State.SENT, *, age: float = 5, left: float = 300, **more: object) -> OpenPayment:
    made = OpenPayment(
        collection=Collection(
            uuid4(), "CI", ASKED, "SP123456789012", "votes", "fr", "http://x/cb", "http://x/r", "+2250501020304"
        ),
        vote_id=uuid4(),
        provider="mtn_momo",
        state=state,
        placed_at=NOW - timedelta(seconds=age),
        expires_at=NOW + timedelta(seconds=left),
        now=NOW,
        accepted=False,
        checks=1,
        send_tries=1,
        not_found_count=0,
        not_found_since=None,
    )
    return replace(made, **more)  # type: ignore[arg-type] # fields of the payment by name


@pytest.mark.parametrize(
    ("result", "can", "seen", "message"),
    [
        (Accepted(), CAN, Observed.ACCEPTED, None),
        (Accepted(already_there=True), CAN, Observed.ACCEPTED, None),
        (Redirect("http://pay", NOW, None, {"pay_token": "t"}), REDIRECTS, Observed.ACCEPTED, "payment_link"),
        (NotSent("ConnectError"), CAN, Observed.PUT_BACK, None),
        (Rejected("X", PayerReason.LIMIT), CAN, Observed.REFUSED, "payment_failed"),
        (Unknown("ReadTimeout"), CAN, None, None),
        (Unknown("ReadTimeout"), REDIRECTS, Observed.REFUSED, "payment_failed"),
        (NeedsOtp(), CAN, Observed.REFUSED, "payment_failed"),
    ],
)
def test_of_create(result: CreateResult, can: Capabilities, seen: Observed | None, message: str | None) -> None:
    found = of_create(payment(), result, can, 0)
    assert (found.observed, found.message) == (seen, message)


def test_an_accepted_prompt_is_asked_about_soon_and_ends_by_its_life() -> None:
    found = of_create(payment(), Accepted(), CAN, 0)
    assert found.next_check_at == NOW + timedelta(seconds=10)
    assert found.expires_at == NOW + timedelta(seconds=330)
    assert found.accepted


def test_a_redirect_keeps_its_link_among_the_secrets() -> None:
    found = of_create(payment(), Redirect("http://pay", NOW, None, {"pay_token": "t"}), REDIRECTS, 0)
    assert found.secrets == {"pay_token": "t", PAYMENT_URL: "http://pay"}
    assert "http://pay" not in repr(found)


def test_what_was_prepared_stays_beside_what_the_answer_gives() -> None:
    asked = payment()
    prepared = replace(asked, collection=replace(asked.collection, secrets={"ends": "1796000000"}))
    found = of_create(prepared, Redirect("http://pay", NOW), REDIRECTS, 0)
    assert found.secrets == {"ends": "1796000000", PAYMENT_URL: "http://pay"}


def test_what_never_leaves_is_given_up_after_its_tries() -> None:
    found = of_create(payment(send_tries=5), NotSent("ConnectError"), CAN, 0)
    assert (found.observed, found.reason) == (Observed.REFUSED, "service_down")


@pytest.mark.parametrize("result", [NotSent("ConnectError"), Rejected("X", PayerReason.LIMIT), NeedsOtp()])
def test_what_became_of_earlier_tries_is_asked(result: CreateResult) -> None:
    assert of_create(payment(send_tries=5), result, CAN, 0).next_check_at == NOW + timedelta(seconds=20)
    first = of_create(payment(age=1_000), result, CAN, 0)
    assert (first.observed, first.next_check_at) == (Observed.REFUSED, None)


@pytest.mark.parametrize(
    ("state", "report", "left", "seen", "message"),
    [
        (State.PENDING, Succeeded(ASKED, "op", "{}"), 100, Observed.SUCCEEDED, None),
        (State.EXPIRED, Succeeded(ASKED, "op", "{}"), -100, Observed.SUCCEEDED, None),
        (State.PENDING, Succeeded(Money(499, "XOF"), "op", "{}"), 100, Observed.SUCCEEDED_OTHERWISE, None),
        (State.PENDING, Failed("X", PayerReason.DECLINED, "{}"), 100, Observed.FAILED, "payment_failed"),
        (State.FAILED, Failed("X", PayerReason.DECLINED, "{}"), 100, None, None),
        (State.SENT, StillOpen("PENDING"), 100, Observed.STILL_OPEN, None),
        (State.PENDING, StillOpen("PENDING"), 100, None, None),
        (State.PENDING, StillOpen("PENDING"), 0, Observed.DEADLINE_PASSED, "payment_not_confirmed"),
        (State.EXPIRED, StillOpen("PENDING"), -100, None, None),
        (State.SENT, NotFound("404"), 100, None, None),
        (State.SENT, NotFound("404"), 0, Observed.DEADLINE_PASSED, "payment_not_confirmed"),
        (State.PENDING, Unavailable("503"), 100, None, None),
        (State.PENDING, Unavailable("503"), -100, None, None),
    ],
)
def test_of_report(state: State, report: StatusReport, left: float, seen: Observed | None, message: str | None) -> None:
    found = of_report(payment(state, left=left), report, CAN, 0)
    assert (found.observed, found.message) == (seen, message)


PAGES = {how: replace(REDIRECTS, ladder_seconds=(120,), recovery=how) for how in Recovery}
PAGE = Redirect("http://pay", NOW + timedelta(minutes=30), "cs_1", {"session": "s"})


def test_a_page_whose_address_was_lost_is_asked_about_at_once() -> None:
    for how in (Recovery.SEARCH, Recovery.REPEAT_SAME):
        assert of_create(payment(), Unknown("ReadTimeout"), PAGES[how], 1).next_check_at == NOW + timedelta(seconds=0.6)
    assert of_create(payment(), Unknown("ReadTimeout"), CAN, 0).next_check_at == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("recovery", "looks"),
    [
        (Recovery.SEARCH, [StillOpen("open", PAGE)]),
        (Recovery.SEARCH, [NotFound("not yet"), StillOpen("open", PAGE)]),
        (Recovery.SEARCH, [NotFound("never made"), NotFound("never made")]),
        (Recovery.REPEAT_SAME, [NotFound("its number is lost")]),
    ],
)
def test_a_page_whose_address_was_lost_is_there_or_asked_for_anew_within_five_seconds(
    recovery: Recovery, looks: list[StatusReport]
) -> None:
    can, asked = PAGES[recovery], payment(age=0, checks=0)
    seen = of_create(asked, Unknown("ReadTimeout"), can, 1)
    for count, report in enumerate(looks, 1):
        # What is due is found by the sweeper's next round at the latest.
        due = (seen.next_check_at or NOW) + timedelta(seconds=EVERY_SECONDS)
        seen = of_report(replace(asked, now=due, checks=count, not_found_count=count - 1), report, can, 1)
    if isinstance(looks[-1], NotFound):
        assert (seen.observed, seen.next_check_at) == (Observed.PUT_BACK, due)
        due += timedelta(seconds=EVERY_SECONDS)
    else:
        assert seen.secrets is not None
    assert due - NOW <= timedelta(seconds=5)


@pytest.mark.parametrize("state", [State.SENT, State.PENDING])
def test_a_page_that_is_found_again_is_sent_as_if_it_had_come_at_once(state: State) -> None:
    asked = payment(state)
    asked = replace(asked, collection=replace(asked.collection, secrets={"ends": "1796000000"}))
    found = of_report(asked, StillOpen("open", PAGE), PAGES[Recovery.SEARCH], 0)
    at_once = of_create(asked, PAGE, PAGES[Recovery.SEARCH], 0)
    for fact in ("secrets", "expires_at", "provider_reference", "message", "accepted"):
        assert getattr(found, fact) == getattr(at_once, fact), fact
    assert found.observed is (Observed.STILL_OPEN if state is State.SENT else None)
    assert "http://pay" not in repr(found)


def test_a_page_that_is_known_or_of_no_use_any_more_is_not_sent_again() -> None:
    can = PAGES[Recovery.SEARCH]
    known = payment(State.PENDING)
    known = replace(known, collection=replace(known.collection, secrets={PAYMENT_URL: "http://pay"}))
    for asked in (known, payment(State.EXPIRED, left=-1), payment(State.FAILED)):
        found = of_report(asked, StillOpen("open", PAGE), can, 0)
        assert (found.secrets, found.message) == (None, None)


@pytest.mark.parametrize(
    ("recovery", "times", "tries", "seen"),
    [
        (Recovery.REPEAT_SAME, 1, 1, Observed.PUT_BACK),
        (Recovery.REPEAT_SAME, 1, 5, None),
        (Recovery.SEARCH, 1, 1, None),
        (Recovery.SEARCH, 2, 1, Observed.PUT_BACK),
        (Recovery.SEARCH, 2, 5, None),
        (Recovery.ASK, 2, 1, None),
    ],
)
def test_a_page_that_was_never_made_is_asked_for_again(
    recovery: Recovery, times: int, tries: int, seen: Observed | None
) -> None:
    asked = payment(send_tries=tries, not_found_count=times - 1, not_found_since=NOW - timedelta(seconds=3))
    assert of_report(asked, NotFound("404"), PAGES[recovery], 0).observed is seen
    assert of_report(replace(asked, accepted=True), NotFound("404"), PAGES[recovery], 0).observed is None


def test_only_final_words_are_evidence() -> None:
    open_payment = payment(State.PENDING)
    assert of_report(open_payment, Succeeded(ASKED, "op", "{}"), CAN, 0).evidence_word == "succeeded"
    assert of_report(open_payment, Failed("X", PayerReason.OTHER, "{}"), CAN, 0).evidence_word == "failed"
    for report in (StillOpen("?"), NotFound("404"), Unavailable("503")):
        assert of_report(open_payment, report, CAN, 0).evidence_word is None


def test_the_operators_time_runs_from_when_it_is_known_to_have_the_request() -> None:
    lost = of_report(payment(left=900), StillOpen("PENDING"), CAN, 0)  # the answer to the request never came
    assert lost.expires_at == NOW + timedelta(seconds=CAN.open_seconds)
    assert of_report(payment(State.PENDING), StillOpen("PENDING"), CAN, 0).expires_at is None


def test_the_next_question_comes_at_the_deadline_at_the_latest() -> None:
    found = of_report(payment(State.PENDING, left=5), StillOpen("PENDING"), CAN, 0)
    assert found.next_check_at == NOW + timedelta(seconds=6)


def test_a_known_failure_is_looked_at_once_more_a_day_later_and_then_left() -> None:
    failed = Failed("X", PayerReason.DECLINED, "{}")
    first = of_report(payment(State.PENDING), failed, CAN, 0)
    assert first.next_check_at == NOW + timedelta(minutes=10)
    second = of_report(payment(State.FAILED, age=700), failed, CAN, 0)
    assert second.next_check_at == NOW + timedelta(hours=24) - timedelta(seconds=700)
    third = of_report(payment(State.FAILED, age=90_000), failed, CAN, 0)
    assert third.next_check_at is None


def test_an_expired_payment_is_left_to_the_statement_after_a_day() -> None:
    found = of_report(payment(State.EXPIRED, age=90_000, left=-80_000), StillOpen("PENDING"), CAN, 0)
    assert found.next_check_at is None


def test_never_arrived_is_sent_again_and_known_once_is_parked() -> None:
    thrice = {"not_found_count": 2, "not_found_since": NOW - timedelta(seconds=70)}
    assert of_report(payment(**thrice), NotFound("404"), CAN, 0).observed is Observed.PUT_BACK  # type: ignore[arg-type] # by name
    for spent in ({"send_tries": 5}, {"age": 901}):
        left = of_report(payment(**thrice, **spent), NotFound("404"), CAN, 0)  # type: ignore[arg-type] # by name
        assert (left.observed, left.next_check_at) == (None, NOW + timedelta(seconds=20))
    parked = of_report(payment(State.PENDING, accepted=True, **thrice), NotFound("404"), CAN, 0)  # type: ignore[arg-type] # by name
    assert parked.observed is None
    assert parked.next_check_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(("tries", "again"), [(0, None), (1, None), (2, NOW)])
def test_what_was_sent_before_its_provider_left_is_asked_about(tries: int, again: datetime | None) -> None:
    found = not_configured(payment(send_tries=tries))
    assert (found.observed, found.reason_code, found.next_check_at) == (Observed.REFUSED, "not_configured", again)


def test_what_was_put_back_was_not_tried() -> None:
    found = put_back(payment(), "account closed", 5)
    assert (found.observed, found.untried, found.next_check_at) == (
        Observed.PUT_BACK,
        True,
        NOW + timedelta(seconds=5),
    )
