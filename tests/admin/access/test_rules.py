"""Who may do what, and when a sign-in is refused."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyotp
import pytest

from admin.access.rules import (
    ACCOUNT_LOCK_SECONDS_MAX,
    ADDRESS_LOCK_SECONDS_MAX,
    ASKING,
    Failures,
    Member,
    PasswordFault,
    Reuse,
    Role,
    is_fresh,
    judge_reuse,
    may_decide,
    may_grant,
    may_reset_factor,
    password_fault,
    proven_step,
    rights_in,
    rights_of,
    seconds_to_wait,
)
from gateway.values.scope import sees
from payments.requests import Act, Right

OURS, THEIRS = UUID(int=7), UUID(int=8)
NOW = datetime(2026, 11, 21, 20, 0, 10, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def member(role: Role, **changes: object) -> Member:
    values: dict[str, object] = {"active": True, "has_factor": True, "organiser_id": None, **changes}
    return Member(UUID(int=1), "awa@house.test", "Awa", role, **values)  # type: ignore[arg-type]  # of these three


def test_every_act_wants_a_right_that_some_role_has() -> None:
    assert set(ASKING) == set(Act)
    for right in Right:
        assert any(right in rights_in(role, None) for role in Role)


READ = "read_contests read_orders"
CONTESTS = "edit_contest moderate manage_staff close_ticket certify decide"
VOTERS = "see_number refund handle_held replay_callback close_ticket"
MONEY = "read_money void_window end_refund pay_out decide"
BOOK = "read_book reconcile manage_payouts set_fees stop_organisers platform_alerts"


@pytest.mark.parametrize(
    ("role", "organiser", "rights"),
    [
        (Role.OWNER, None, " ".join(Right)),
        (Role.ADMINISTRATOR, None, f"{READ} {CONTESTS} manage_organisers stop_organisers platform_alerts"),
        (Role.FINANCE, None, f"{READ} {VOTERS} {MONEY} {BOOK}"),
        (Role.SUPPORT, None, f"{READ} {VOTERS}"),
        (Role.AUDITOR, None, f"{READ} read_money read_book"),
        (Role.OWNER, OURS, f"{READ} {CONTESTS} {VOTERS} {MONEY}"),
        (Role.MANAGER, OURS, f"{READ} {CONTESTS}"),
        (Role.MODERATOR, OURS, "read_contests moderate"),
        (Role.FINANCE, OURS, f"{READ} {VOTERS} {MONEY}"),
        (Role.SUPPORT, OURS, f"{READ} {VOTERS}"),
        (Role.AUDITOR, OURS, f"{READ} read_money"),
    ],
)
def test_a_role_has_these_rights_and_no_other(role: Role, organiser: UUID | None, rights: str) -> None:
    assert rights_of(member(role, organiser_id=organiser), factor_wanted=True) == set(rights.split())


def test_without_what_is_wanted_there_are_no_rights() -> None:
    assert not rights_of(member(Role.OWNER, has_factor=False), factor_wanted=True)
    assert rights_of(member(Role.OWNER, has_factor=False), factor_wanted=False)
    assert not rights_of(member(Role.OWNER, active=False), factor_wanted=False)
    of_all = {Right.RECONCILE, Right.SET_FEES, Right.MANAGE_ORGANISERS, Right.READ_BOOK, Right.MANAGE_PAYOUTS}
    assert not of_all & rights_of(member(Role.OWNER, organiser_id=UUID(int=7)), factor_wanted=True)


def test_agreeing_needs_the_right_to_ask() -> None:
    assert may_decide(rights_in(Role.FINANCE, None), Act.PAYOUT, None)
    assert not may_decide(rights_in(Role.SUPPORT, None), Act.REFUND_PAYMENT, None)
    # Organisers ask for their money, the platform agrees.
    ours = rights_in(Role.OWNER, OURS)
    assert Right.PAY_OUT in ours
    assert not may_decide(ours, Act.PAYOUT, OURS)
    assert may_decide(ours, Act.REFUND_PAYMENT, OURS)


@pytest.mark.parametrize(
    ("granter", "organiser", "may"),
    [
        (Role.OWNER, None, {(role, None) for role in (Role.OWNER, Role.ADMINISTRATOR, Role.FINANCE)}),
        (Role.ADMINISTRATOR, None, {(Role.MANAGER, OURS), (Role.MODERATOR, THEIRS)}),
        (Role.OWNER, OURS, {(role, OURS) for role in (Role.OWNER, Role.MANAGER, Role.FINANCE, Role.AUDITOR)}),
        (Role.MANAGER, OURS, {(Role.MODERATOR, OURS)}),
        (Role.FINANCE, None, set()),
    ],
)
def test_nobody_grants_what_they_lack(
    granter: Role, organiser: UUID | None, may: set[tuple[Role, UUID | None]]
) -> None:
    giving = member(granter, organiser_id=organiser)
    given = {(role, at) for role in Role for at in (None, OURS, THEIRS) if may_grant(giving, role, at)}
    assert may <= given
    for role, at in given:
        assert organiser in (None, at)
        assert rights_in(role, at) <= rights_in(granter, organiser)
    if granter is not Role.OWNER:
        assert (granter, organiser) not in given
    if (granter, organiser) == (Role.MANAGER, OURS):
        assert given == may


def test_a_role_is_at_the_platform_or_at_organisers() -> None:
    owner = member(Role.OWNER)
    assert not may_grant(owner, Role.MANAGER, None)
    assert not may_grant(owner, Role.ADMINISTRATOR, OURS)


def test_an_auditor_of_one_contest_sees_that_one() -> None:
    auditor = member(Role.AUDITOR, organiser_id=OURS, contest_id=UUID(int=9)).scope
    assert auditor == OURS
    assert sees(auditor, organiser=OURS, contest=UUID(int=9))
    assert not sees(auditor, organiser=OURS, contest=UUID(int=10))
    assert sees(member(Role.OWNER, organiser_id=OURS).scope, organiser=OURS, contest=UUID(int=10))
    assert not sees(OURS, organiser=THEIRS, contest=UUID(int=9))
    assert sees(None, organiser=THEIRS, contest=UUID(int=9))


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("elevenchars", PasswordFault.TOO_SHORT),
        ("x" * 129, PasswordFault.TOO_LONG),
        ("Password1234", PasswordFault.COMMON),
        ("motdepasse123", PasswordFault.COMMON),
        ("aaaaaaaaaaaaaa", PasswordFault.COMMON),
        ("spotlight2026", PasswordFault.COMMON),
        ("mariam-2026!", PasswordFault.COMMON),
        ("cinq gorges de manioc", None),
        ("twelve chars", None),
        ("k7f2m-9pqrs", PasswordFault.TOO_SHORT),
    ],
)
def test_passwords(password: str, fault: PasswordFault | None) -> None:
    assert password_fault(password, "mariam@house.test") is fault


def test_a_code_is_good_for_this_step_and_the_one_before_and_once() -> None:
    step = int(NOW.timestamp()) // 30
    code = pyotp.TOTP(SECRET).generate_otp
    assert proven_step(SECRET, code(step), NOW, None) == step
    assert proven_step(SECRET, f" {code(step)[:3]} {code(step)[3:]} ", NOW, None) == step
    assert proven_step(SECRET, code(step - 1), NOW, None) == step - 1
    assert proven_step(SECRET, code(step - 2), NOW, None) is None
    assert proven_step(SECRET, code(step + 1), NOW, None) is None
    assert proven_step(SECRET, code(step), NOW, step) is None
    assert proven_step(SECRET, code(step - 1), NOW, step) is None
    assert proven_step(SECRET, code(step), NOW, step - 1) == step


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34"])
def test_what_is_no_code(typed: str) -> None:
    assert proven_step(SECRET, typed, NOW, None) is None


def test_some_tries_are_free_and_then_the_wait_doubles() -> None:
    waits = [seconds_to_wait(Failures(many, NOW), NOW, ACCOUNT_LOCK_SECONDS_MAX) for many in range(1, 12)]
    assert waits == [0, 0, 0, 0, 60, 120, 240, 480, 900, 900, 900]
    failures = Failures(11, NOW)
    assert seconds_to_wait(failures, NOW, ADDRESS_LOCK_SECONDS_MAX) == 60
    assert seconds_to_wait(failures, NOW + timedelta(seconds=899, milliseconds=1), ACCOUNT_LOCK_SECONDS_MAX) == 1
    assert seconds_to_wait(failures, NOW + timedelta(seconds=900), ACCOUNT_LOCK_SECONDS_MAX) == 0
    assert seconds_to_wait(None, NOW, ACCOUNT_LOCK_SECONDS_MAX) == 0


def test_proofs_and_used_tokens() -> None:
    assert is_fresh(NOW, NOW + timedelta(minutes=4, seconds=59))
    assert not is_fresh(NOW, NOW + timedelta(minutes=5))
    assert not is_fresh(None, NOW)
    soon, late = NOW + timedelta(seconds=10), NOW + timedelta(seconds=11)
    assert judge_reuse(NOW, soon, same_client=True) is Reuse.TWO_TABS
    assert judge_reuse(NOW, late, same_client=True) is Reuse.STOLEN
    assert judge_reuse(NOW, soon, same_client=False) is Reuse.STOLEN


@pytest.mark.parametrize(
    ("role", "theirs", "of", "may"),
    [
        (Role.OWNER, None, None, True),
        (Role.ADMINISTRATOR, None, None, True),
        (Role.ADMINISTRATOR, None, OURS, True),
        (Role.FINANCE, None, OURS, False),
        (Role.OWNER, OURS, OURS, True),
        (Role.OWNER, OURS, THEIRS, False),
        (Role.OWNER, OURS, None, False),
        (Role.MANAGER, OURS, OURS, False),
    ],
)
def test_who_helps_with_a_lost_second_factor(role: Role, theirs: UUID | None, of: UUID | None, may: bool) -> None:
    helper = member(role, organiser_id=theirs)
    assert may_reset_factor(helper, UUID(int=2), of) is may
    assert not may_reset_factor(helper, helper.id, theirs)
