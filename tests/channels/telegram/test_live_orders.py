"""The message of an order keeps itself up to date."""

import asyncio

from aiogram.methods import (
    EditMessageText,
)

from payments.lifecycle import PublicStatus
from tests.channels.telegram.conftest import World, verified
from tests.rigs.voting_service import RECEIPT


async def test_the_state_of_the_payment_is_shown_in_place(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    await world.tap("Payer 500")
    order_message = world.wire.last(55)
    (vote_id,) = world.service.orders
    await world.orders.update()
    await world.orders.wait_idle()
    edits = len(world.wire.made(EditMessageText))

    async def after(mark: str, **changes: object) -> str:
        world.service.change(vote_id, **changes)
        await world.orders.update()
        await world.orders.wait_idle()
        return world.wire.messages[55, order_message.message_id].text or ""

    assert "validez la demande MTN MoMo" in await after("sent", asked=True)
    assert "*133#" in await after("pending")
    assert len(world.wire.made(EditMessageText)) == edits + 1, "what reads the same is not edited"
    failed = await after("failed", status=PublicStatus.FAILED, reason="no_funds")
    assert "solde est insuffisant" in failed
    assert "Réessayer" in str(world.wire.messages[55, order_message.message_id].reply_markup)
    counted = await after("settled", status=PublicStatus.COMPLETED, reason=None, receipt=RECEIPT)
    assert RECEIPT in counted
    assert f"https://vote.example/verify/{RECEIPT}" in counted
    assert len(world.orders) == 0
    assert await world.followed.all() == {}


async def test_one_question_a_second_for_all_orders(world: World) -> None:
    await verified(world)
    for _ in range(3):
        await world.write("07 5")
        await world.tap("Payer 500")
    await world.orders.update()
    assert world.service.questions == [3]


async def test_the_next_process_follows_what_this_one_did(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    await world.tap("Payer 500")
    (vote_id,) = world.service.orders
    again = World(world.store, world.redis, service=world.service, wire=world.wire, sessions=world.sessions)
    world.service.change(vote_id, status=PublicStatus.FAILED, reason="declined")
    running = asyncio.create_task(again.orders.run())
    async with asyncio.timeout(5):
        while "refusé la demande" not in world.text():  # noqa: ASYNC110 - the edit rings no bell
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.close()


async def test_an_order_on_a_page_has_a_button_that_leads_there(world: World) -> None:
    await world.write("07 5")
    await world.write("0707080910")
    await world.tap("Payer 500")
    (vote_id,) = world.service.orders
    assert "page de paiement Orange Money arrive" in world.text()
    world.service.change(vote_id, asked=True, payment_url="https://pay.example/x")
    await world.orders.update()
    await world.orders.wait_idle()
    assert "#144*82#" in world.text()
    markup = world.wire.last(55).reply_markup
    assert markup is not None
    assert markup.inline_keyboard[0][0].url == "https://pay.example/x"
