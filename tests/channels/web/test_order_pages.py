"""The page of an order, from the prompt to its end, and the proof of a vote."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.limits import RateLimits
from gateway.http.pages import CONTENT_SECURITY_POLICY
from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import PaymentMethod
from payments.collection.order_views import TakenBack
from payments.lifecycle import REASONS, PublicStatus
from payments.settlement.rules import Adjusted
from tests.channels.web.browsing import Here
from tests.channels.web.browsing import here as here
from tests.channels.web.service import NOWHERE, application
from tests.rails import PAGE as REDIRECT
from tests.rails import PUSH, XOF
from tests.rigs.voting_service import RECEIPT, FakeVotingService, counted_receipt

# No line breaks within it.
MASKED = "+225 05 •• •• 03 04".replace(" ", "\u00a0")


async def test_a_pending_order_says_what_to_do(here: Here) -> None:
    text = await here.read(await here.ordered())
    assert f"arrives on {MASKED}" in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert "0501020304" not in text


async def test_a_redirect_order_links_to_the_operators_page(here: Here) -> None:
    path = await here.ordered(method=PaymentMethod.ORANGE)
    assert "#144*82#" in await here.read(path)
    here.service.change(UUID(path[7:]), payment_url="https://pay.example/x?a=1&b=2")
    assert 'href="https://pay.example/x?a=1&amp;b=2"' in await here.read(path)
    here.service.change(UUID(path[7:]), payment_url="javascript:alert(1)")
    assert "javascript:" not in await here.read(path)


async def test_how_the_wallet_asks_is_known_before_it_does(here: Here) -> None:
    path = await here.ordered(method=PaymentMethod.WAVE)
    for kinds, says in ((REDIRECT, "Pay on the Wave page"), (PUSH, f"arrives on {MASKED}")):
        here.service.rails = Rails((Rail("wave", "CI", PaymentMethod.WAVE, kinds, XOF),))
        assert says in await here.read(path)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (PublicStatus.COMPLETED, None),
        *((PublicStatus.FAILED, reason.value) for reason in sorted(REASONS)),
        (PublicStatus.FAILED, None),
        (PublicStatus.FAILED, "a word of tomorrow"),
        (PublicStatus.EXPIRED, None),
        (PublicStatus.HELD, "review"),
        (PublicStatus.HELD, "refund_pending"),
        (PublicStatus.REFUNDED, None),
    ],
    ids=str,
)
async def test_every_end_of_an_order_has_words(
    here: Here, language: str, status: PublicStatus, reason: str | None
) -> None:
    done = status is PublicStatus.COMPLETED
    path = await here.ordered(status=status, reason=reason, receipt=RECEIPT if done else None)
    text = await here.read(path, language)
    assert 'href="/c/star/07?votes=5"' in text
    assert (f'href="/verify/{RECEIPT}"' in text) is done
    assert "/static/order." not in text


async def test_money_that_went_back_to_a_card_names_no_number(here: Here) -> None:
    path = await here.ordered(status=PublicStatus.REFUNDED, reason="reversed")
    here.service.change(UUID(path[7:]), payer_masked="")
    assert "were refunded to the payer" in await here.read(path, "en")


async def test_an_orders_page_is_never_cached(here: Here) -> None:
    answer = await here.client.get(await here.ordered())
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


async def test_a_receipt_is_proved_to_people_and_programs(here: Here) -> None:
    here.service.receipts[RECEIPT] = counted_receipt()
    assert "This vote is counted" in await here.read(f"/verify/{RECEIPT}")
    typed = f"{RECEIPT[:5]}-{RECEIPT[5:]}".lower()
    answer = await here.client.get(f"/verify/{typed}", headers={"Accept": "application/json"})
    body = await answer.json()
    assert (body["receipt"], body["contest"], body["candidate"], body["quantity"]) == (RECEIPT, "star", "07", 5)
    assert (body["tallyNumber"], body["countedAt"]) == (42, "2026-06-01T12:00:00Z")


async def test_a_receipt_of_a_vote_that_was_taken_back_says_so(here: Here) -> None:
    back = TakenBack(57, datetime(2026, 6, 2, 8, tzinfo=UTC), "voided <window>")
    here.service.receipts[RECEIPT] = replace(counted_receipt(), taken_back=back)
    page = await here.read(f"/verify/{RECEIPT}")
    assert "This vote was counted, then taken back" in page
    assert "voided &lt;window&gt;" in page
    assert "This vote is counted" not in page
    answer = await here.client.get(f"/verify/{RECEIPT}", headers={"Accept": "application/json"})
    body = await answer.json()
    assert body["tallyNumber"] == 42
    assert body["takenBack"] == {"tallyNumber": 57, "at": "2026-06-02T08:00:00Z", "reason": "voided <window>"}


async def test_a_reason_of_ours_is_shown_in_the_readers_language(here: Here) -> None:
    back = TakenBack(57, datetime(2026, 6, 2, 8, tzinfo=UTC), Adjusted.REVERSED.value)
    here.service.receipts[RECEIPT] = replace(counted_receipt(), taken_back=back)
    answer = await here.client.get(f"/verify/{RECEIPT}", headers={"Accept-Language": "fr"})
    assert "paiement repris par l&#39;opérateur" in await answer.text()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (RECEIPT[:-1] + ("0" if RECEIPT[-1] != "0" else "1"), "malformed_receipt", "one character is wrong"),
        ("short", "malformed_receipt", "one character is wrong"),
        ("%00", "malformed_receipt", "one character is wrong"),
        (RECEIPT, "unknown_receipt", "No counted vote"),
    ],
)
async def test_a_wrong_receipt_is_not_found(here: Here, code: str, kind: str, words: str) -> None:
    path = f"/verify/{code}"
    headers = {"Accept": "application/json", "Accept-Language": "en"}
    page, answer = (
        await here.client.get(path, headers={"Accept-Language": "en"}),
        await here.client.get(path, headers=headers),
    )
    assert (page.status, answer.status) == (404, 404)
    assert words in await page.text()
    body = await answer.json(content_type="application/problem+json")
    assert body["type"] == f"/problems/{kind}"
    assert words in body["detail"]


async def test_receipts_are_not_found_by_trying() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, RateLimits(NOWHERE, receipt_checks=2)))) as client:
        answers = [await client.get(f"/verify/{RECEIPT}") for _ in range(3)]
        again = await client.get(f"/verify/{RECEIPT}", headers={"Accept": "application/json"})
    assert [a.status for a in answers] == [404, 404, 429]
    assert (again.status, again.content_type) == (429, "application/problem+json")
