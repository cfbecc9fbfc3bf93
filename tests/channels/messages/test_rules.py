"""When a text may go out, and by which carrier."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.messages.rules import (
    ASKED_FOR,
    Hold,
    Routes,
    after,
    carrier_now,
    country_of,
    hold,
    quiet_until,
    read_routes,
)


def at(hour: int, minute: int = 0, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("kind", sorted(ASKED_FOR))
def test_what_was_asked_for_goes_out_at_night(kind: str) -> None:
    assert quiet_until(kind, "CI", at(3)) is None


@pytest.mark.parametrize(
    ("country", "now", "until"),
    [
        ("CI", at(8), None),
        ("CI", at(19, 59), None),
        ("CI", at(7, 59), at(8)),
        ("CI", at(20), at(8, day=21)),
        ("CI", at(23, 30), at(8, day=21)),
        # An hour ahead of UTC.
        ("CM", at(7), None),
        ("CM", at(6, 59), at(7)),
        ("CM", at(19), at(7, day=21)),
        # Two zones: day in both.
        ("CD", at(6, 30), at(7)),
        ("CD", at(18, 30), at(7, day=21)),
        # Not known where: day from Cape Verde to Mauritius.
        (None, at(8), at(9)),
        ("FR", at(15, 59), None),
        ("FR", at(16), at(9, day=21)),
    ],
)
def test_an_unrequested_text_waits_for_the_day(country: str | None, now: datetime, until: datetime | None) -> None:
    assert quiet_until("resume", country, now) == until
    assert quiet_until("a kind of tomorrow", country, now) == until


@given(
    minutes=st.integers(0, 7 * 24 * 60), country=st.sampled_from(["CI", "CM", "CD", "KE", None]), kind=st.just("resume")
)
def test_the_moment_is_soon_and_in_the_day(minutes: int, country: str | None, kind: str) -> None:
    now = at(0) + timedelta(minutes=minutes)
    until = quiet_until(kind, country, now)
    if until is not None:
        assert now < until <= now + timedelta(days=1)
        assert quiet_until(kind, country, until) is None


@pytest.mark.parametrize(
    ("number", "country"), [("+2250501020304", "CI"), ("+237670000000", "CM"), ("MTN", None), ("", None)]
)
def test_where_a_number_lives(number: str, country: str | None) -> None:
    assert country_of(number) == country


ROUTES = Routes(("a", "b"), {"+237": ("b", "a"), "+2376": ("b",)}, chats="chat")


@pytest.mark.parametrize(
    ("to", "chat", "ways"),
    [
        ("+2250501020304", None, ("a", "b")),
        ("+237270000000", None, ("b", "a")),
        ("+237670000000", None, ("b",)),
        ("+2250501020304", 7, ("chat", "a", "b")),
        ("", 7, ("chat",)),
        ("", None, ()),
    ],
)
def test_ways(to: str, chat: int | None, ways: tuple[str, ...]) -> None:
    assert ROUTES.ways(to, chat) == ways


def test_a_chat_without_a_bot_is_reached_by_text_or_not_at_all() -> None:
    assert Routes(("a",)).ways("+2250501020304", 7) == ("a",)
    assert Routes(("a",)).ways("", 7) == ()


@pytest.mark.parametrize(
    ("status", "carrier", "ways", "now"),
    [
        ("due", None, ("a", "b"), "a"),
        ("due", "b", ("a", "b"), "b"),
        ("due", "gone", ("a", "b"), "a"),
        ("due", "a", (), ""),
        ("unknown", "a", ("a", "b"), "b"),
        ("unknown", "b", ("a", "b"), "a"),
        ("unknown", "a", ("a",), "a"),
        ("unknown", "a", ("chat", "a"), "a"),  # not back to the chat that it left
        ("unknown", "chat", ("chat", "a"), "a"),
        ("unknown", "chat", ("chat",), "chat"),
    ],
)
def test_the_carrier_of_a_due_text(status: str, carrier: str | None, ways: tuple[str, ...], now: str) -> None:
    assert carrier_now(status, carrier, ways, [way for way in ways if way != "chat"]) == now


@pytest.mark.parametrize(
    ("kind", "ways", "opted_out", "now", "held"),
    [
        ("receipt", ("a",), False, at(12), None),
        ("receipt", ("a",), True, at(3), None),
        ("receipt", (), False, at(12), Hold("no carrier", at(13))),
        ("resume", (), True, at(3), Hold("no carrier", at(4))),
        ("resume", ("a",), False, at(12), None),
        ("resume", ("a",), True, at(12), Hold("opted out", None)),
        ("resume", ("a",), True, at(3), Hold("opted out", None)),
        ("resume", ("a",), False, at(3), Hold("quiet hours", at(8))),
    ],
)
def test_a_due_text_that_is_held(
    kind: str, ways: tuple[str, ...], opted_out: bool, now: datetime, held: Hold | None
) -> None:
    assert hold(kind, "+2250501020304", ways, opted_out=opted_out, now=now) == held


def test_carriers_take_turns() -> None:
    assert [after(carrier, ("a", "b")) for carrier in ("a", "b", "gone")] == ["b", "a", "a"]
    assert after("a", ("a",)) == "a"


@pytest.mark.parametrize(
    ("written", "routes"),
    [
        ("", Routes(("africastalking", "kannel"))),
        ("kannel", Routes(("kannel",))),
        (" kannel , africastalking ;", Routes(("kannel", "africastalking"))),
        (
            "+237: kannel; +225: africastalking, kannel",
            Routes(("africastalking", "kannel"), {"+237": ("kannel",), "+225": ("africastalking", "kannel")}),
        ),
    ],
)
def test_reads_an_order_of_carriers(written: str, routes: Routes) -> None:
    assert read_routes(written, ("africastalking", "kannel")) == routes


@pytest.mark.parametrize(
    "written", ["mtn", "kannel, kannel", "237: kannel", "+237:", "kannel; africastalking", "+237: kannel; +237: kannel"]
)
def test_refuses_an_order_of_carriers_that_cannot_be_followed(written: str) -> None:
    with pytest.raises(ValueError, match=r"carrier|prefix"):
        read_routes(written, ("africastalking", "kannel"))
