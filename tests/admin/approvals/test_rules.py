from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from admin.approvals.rules import LIFE, expired, needs_second_person, refusal_to_decide
from payments.requests import NOBODY_ELSE, Act, ActRefused, RequestStatus, StaffRequest, Why, named, reasoned

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


def request(status: RequestStatus = RequestStatus.WAITING, by: str = "awa@house.test") -> StaffRequest:
    return StaffRequest(UUID(int=1), Act.REFUND_PAYMENT, "x", "because", by, AT, status, decided_by="yao@house.test")


@pytest.mark.parametrize("act", Act)
def test_only_a_replay_needs_no_second_person(act: Act) -> None:
    assert needs_second_person(act) is (act is not Act.REPLAY_CALLBACK)


@pytest.mark.parametrize(
    ("status", "person", "approve", "after", "why"),
    [
        (RequestStatus.WAITING, "yao@house.test", True, timedelta(0), None),
        (RequestStatus.WAITING, "yao@house.test", False, timedelta(0), None),
        (RequestStatus.WAITING, "awa@house.test", True, timedelta(0), Why.OWN_REQUEST),
        (RequestStatus.WAITING, " Awa@House.test ", True, timedelta(0), Why.OWN_REQUEST),
        (RequestStatus.WAITING, "awa@house.test", False, timedelta(0), Why.OWN_REQUEST),
        (RequestStatus.WAITING, "yao@house.test", True, LIFE - timedelta(seconds=1), None),
        (RequestStatus.WAITING, "yao@house.test", True, LIFE, Why.EXPIRED),
        (RequestStatus.WAITING, "yao@house.test", False, LIFE, None),
        *((status, "yao@house.test", True, timedelta(0), Why.DECIDED) for status in list(RequestStatus)[1:]),
        *((status, "eve@house.test", False, timedelta(0), Why.DECIDED) for status in list(RequestStatus)[1:]),
    ],
)
def test_who_may_decide(status: RequestStatus, person: str, approve: bool, after: timedelta, why: Why | None) -> None:
    refused = refusal_to_decide(request(status), person, approve=approve, now=AT + after)
    assert (refused.why if refused else None) is why


def test_only_what_waits_expires() -> None:
    assert expired(request(), AT + LIFE)
    assert not expired(request(), AT)
    assert not expired(request(RequestStatus.DONE), AT + LIFE)


@pytest.mark.parametrize("expected", ["", "  ", NOBODY_ELSE, NOBODY_ELSE.upper()])
def test_an_empty_reason_is_refused(expected: str) -> None:
    with pytest.raises(ActRefused) as refused:
        named(expected)
    assert refused.value.why is Why.NO_PERSON


@pytest.mark.parametrize("expected", ["", " ok  ", "x " * 400])
def test_a_reason_says_something(expected: str) -> None:
    with pytest.raises(ActRefused) as refused:
        reasoned(expected)
    assert refused.value.why is Why.NO_REASON


def test_a_reason_is_one_line() -> None:
    assert reasoned("  paid\n twice ") == "paid twice"
