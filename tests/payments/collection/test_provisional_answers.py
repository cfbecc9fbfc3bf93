"""What the operator's later answer does to a payment that counts already: judged without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.collection.observations import Observation, OpenPayment
from payments.collection.provisional_rules import Denial, of_later_report
from payments.lifecycle import Observed, State
from payments.provider import Collection, Failed, NotFound, PayerReason, StatusReport, StillOpen, Succeeded, Unavailable

REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
FRANCS = Money(500, "XOF")


def counted(**facts: Any) -> OpenPayment:
    collection = Collection(REFERENCE, "CI", FRANCS, "SPV7K2QM0123AB", "", "fr", "", "", payer="+2250501020304")
    given: dict[str, Any] = {"not_found_count": 0, "not_found_since": None, **facts}
    return OpenPayment(
        collection, REFERENCE, "mtn_momo", State.SETTLED, NOW, NOW, NOW, accepted=True, checks=1, send_tries=1, **given
    )


def test_the_same_amount_proves_it() -> None:
    seen = of_later_report(counted(), Succeeded(FRANCS, "op-1", "{}"), 0)
    assert isinstance(seen, Observation)
    assert (seen.observed, seen.evidence_word, seen.evidence_source) == (Observed.PROVED, "succeeded", "status")
    assert (seen.received, seen.provisional) == (FRANCS, False)


def test_another_amount_takes_the_votes_back() -> None:
    gone = of_later_report(counted(), Succeeded(Money(400, "XOF"), "op-1", "{}"), 0)
    assert isinstance(gone, Denial)
    assert (gone.observed, gone.received) == (Observed.PAID_OTHERWISE, Money(400, "XOF"))
    assert (gone.message, gone.evidence_word) == (None, "succeeded")


def test_a_failure_takes_the_votes_back() -> None:
    gone = of_later_report(counted(), Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}"), 0)
    assert isinstance(gone, Denial)
    assert (gone.observed, gone.reason, gone.code, gone.received) == (
        Observed.DENIED,
        "declined",
        "APPROVAL_REJECTED",
        None,
    )
    assert (gone.message, gone.evidence_word) == ("payment_failed", "failed")


@pytest.mark.parametrize(
    ("report", "minutes"),
    [(StillOpen("PENDING"), 10), (Unavailable("503"), 1), (NotFound("RESOURCE_NOT_FOUND"), 20)],
)
def test_no_answer_is_asked_for_again(report: StatusReport, minutes: int) -> None:
    seen = of_later_report(counted(), report, 0)
    assert isinstance(seen, Observation)
    assert (seen.observed, seen.next_check_at) == (None, NOW + timedelta(minutes=minutes))
    assert seen.not_found == isinstance(report, NotFound)


@pytest.mark.parametrize(("times", "minutes", "gone"), [(1, 180, False), (2, 59, False), (2, 60, True)])
def test_unknown_again_and_again_takes_the_votes_back(times: int, minutes: int, gone: bool) -> None:
    payment = counted(not_found_count=times, not_found_since=NOW - timedelta(minutes=minutes))
    answer = of_later_report(payment, NotFound("RESOURCE_NOT_FOUND"), 0)
    assert isinstance(answer, Denial) == gone
    if isinstance(answer, Denial):
        assert (answer.observed, answer.reason) == (Observed.DENIED, "other")
