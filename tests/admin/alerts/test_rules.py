"""When an alert is tried again, and how a code is read: tables of cases."""

import pytest

from admin.alerts.rules import RETRY_SECONDS, TEST, Outcome, retry_seconds
from channels.telegram.linking import code_behind, code_hash, link_address


@pytest.mark.parametrize(
    ("outcome", "kind", "attempts", "wait"),
    [
        (Outcome(True), "held", 1, None),
        (Outcome(False), "held", 1, 5),
        (Outcome(False), "held", len(RETRY_SECONDS), RETRY_SECONDS[-1]),
        (Outcome(False), "held", len(RETRY_SECONDS) + 1, None),
        (Outcome(False, gone=True), "held", 1, None),
        (Outcome(False), TEST, 1, None),
    ],
)
def test_what_did_not_arrive_is_tried_again_for_more_than_a_day(
    outcome: Outcome, kind: str, attempts: int, wait: int | None
) -> None:
    assert retry_seconds(outcome, kind, attempts) == wait
    assert sum(RETRY_SECONDS) > 86_400


def test_a_code_is_known_however_it_is_typed() -> None:
    assert code_hash("abcd-EFGH 2345") == code_hash("abcdefgh2345") != code_hash("abcdefgh2346")
    link = link_address("https://t.me/spotlight_bot", "abcdefgh2345")
    assert code_behind(link.partition("?start=")[2]) == "abcdefgh2345"
    assert code_behind("c_07_star") is None
    assert link_address("", "abcdefgh2345") == ""
