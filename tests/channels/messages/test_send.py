"""The outbox on a real PostgreSQL: two carriers and a chat, each way a try can end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from channels.messages.send import send_messages
from channels.messages.sender import OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.messages.texting import Routes
from gateway.storage.set_aside import passes
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

VOTER, OTHER = "+2250501020304", "+2250701020304"
PASSING = SendRefused("CouldNotRoute", permanent=False)
OURS = SendRefused("InsufficientBalance", permanent=True, ours=True)
BANNED = SendRefused("UserInBlacklist", permanent=True)
LOST = SendUnknown("ReadTimeout")
CHAT = 4711

_INSERT = text("""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params, chat_id)
values (:id, :kind, :key, :recipient_index, :recipient_cipher, 'fr', :params, :chat_id)
""").bindparams(bindparam("params", type_=JSONB))


class Carrier:
    """Answers as scripted, then accepts; remembers what it was asked to send. `meanwhile`: what
    happens before it answers."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.script: deque[SendResult] = deque()
        self.asked: list[OutboundText] = []
        self.meanwhile: Callable[[OutboundText], Awaitable[None]] | None = None

    async def send(self, message: OutboundText) -> SendResult:
        self.asked.append(message)
        if self.meanwhile:
            await self.meanwhile(message)
        return self.script.popleft() if self.script else SendAccepted(f"{self.code}-{len(self.asked)}", "XOF 12.0000")

    def write(self, kind: str, language: str, values: Mapping[str, object]) -> str | None:
        return f"{kind} in the chat" if kind == "receipt" else None

    async def aclose(self) -> None:
        """Nothing is open."""


class Outbox:
    """Two carriers and a chat over one database."""

    def __init__(self, rig: Rig, owner_url: str) -> None:
        self.rig = rig
        self.owner_url = owner_url
        self.first, self.second, self.chat = Carrier("first"), Carrier("second"), Carrier("chat")
        self.carriers = {carrier.code: carrier for carrier in (self.first, self.second)}
        self.routes = Routes(("first", "second"), chats="chat")

    async def owe(
        self, *, kind: str = "reply", to: str | None = VOTER, chat: int | None = None, key: str | None = None
    ) -> UUID:
        message_id, vault = uuid4(), self.rig.vault
        row = {
            "id": message_id,
            "kind": kind,
            "key": key or str(message_id),
            "recipient_index": vault.index(to) if to else None,
            "recipient_cipher": vault.seal(to, f"messages_out.recipient:{message_id}") if to else None,
            "params": {"lines": ["Bonjour"]},
            "chat_id": chat,
        }
        async with self.rig.engine.begin() as connection:
            await connection.execute(_INSERT, row)
        return message_id

    async def send(self) -> int:
        return await send_messages(
            messages=self.rig.messages,
            carriers=self.carriers,
            routes=self.routes,
            chats=self.chat,
            write=lambda kind, language, values: f"{kind} {language}",
            parts=lambda text: 1,
            passes=passes,
        )

    async def send_at_every_chance(self) -> None:
        """Let every wait pass, many times over."""
        for _ in range(12):
            await self.pass_time(11 * 60)
            await self.send()

    async def pass_time(self, seconds: int) -> None:
        """Move the past further away."""
        await self.change(
            "update messages_out set sent_at = sent_at - make_interval(secs => :s), "
            "next_try_at = next_try_at - make_interval(secs => :s)",
            s=seconds,
        )

    async def change(self, statement: str, **values: Any) -> None:
        async with self.rig.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def row(self, message_id: UUID) -> Mapping[str, Any]:
        (row,) = await self.rig.rows("select * from messages_out where id = :id", id=message_id)
        found: Mapping[str, Any] = row._mapping
        return found

    async def report(self, carrier: str, message_id: str, status: str, phone: str = VOTER) -> None:
        await self.rig.messages.store_report(carrier, message_id, status, phone, None)

    @property
    def asked(self) -> list[str]:
        """Who was asked, by number of times."""
        return [f"{c.code}:{len(c.asked)}" for c in (self.first, self.second, self.chat) if c.asked]


@pytest.fixture
async def outbox(database: Any) -> AsyncIterator[Outbox]:
    rig = await Rig(database.app_url).open()
    yield Outbox(rig, database.owner_url)
    await rig.close()


async def test_an_answer_that_nobody_understands_loses_no_other(outbox: Outbox) -> None:
    async def stumble(sent: OutboundText) -> None:
        if sent.to == OTHER:
            raise TypeError("not what the documents say")

    good, stumbled, poisonous = await outbox.owe(), await outbox.owe(to=OTHER), await outbox.owe()
    outbox.first.meanwhile = stumble
    outbox.first.script += [SendAccepted("m1"), SendAccepted("m\x002")]
    assert await outbox.send() == 3
    found = {message: (await outbox.row(message))["status"] for message in (good, stumbled, poisonous)}
    assert sorted(found.values()) == ["sent", "unknown", "unknown"]
    assert found[stumbled] == "unknown"
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:3"], "what may have been sent is not sent again"


async def test_sent_once_with_parts_and_cost(outbox: Outbox) -> None:
    message = await outbox.owe()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["carrier_message_id"]) == ("sent", "first", "first-1")
    assert (row["parts"], row["cost"], row["last_error"]) == (1, "XOF 12.0000", None)
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]
    assert outbox.first.asked == [OutboundText(VOTER, "reply fr", str(message))]


async def test_a_passing_refusal_goes_by_the_other_carrier_after_a_while(outbox: Outbox) -> None:
    outbox.first.script.append(PASSING)
    message = await outbox.owe()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["last_error"]) == ("due", "second", "first refused: CouldNotRoute")
    assert await outbox.send() == 0
    await outbox.pass_time(16)
    await outbox.send()
    assert outbox.asked == ["first:1", "second:1"]
    assert (await outbox.row(message))["status"] == "sent"


async def test_a_refusal_of_us_goes_by_the_other_carrier_at_once_and_is_remembered(outbox: Outbox) -> None:
    outbox.first.script.append(OURS)
    message = await outbox.owe()
    await outbox.send()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("sent", "second")
    assert row["last_error"] == "first refuses us: InsufficientBalance"


async def test_a_refusal_of_the_number_is_final(outbox: Outbox) -> None:
    outbox.first.script.append(BANNED)
    message = await outbox.owe()
    await outbox.send()
    await outbox.send_at_every_chance()
    assert (await outbox.row(message))["status"] == "refused"
    assert outbox.asked == ["first:1"]


async def test_given_up_after_the_last_wait(outbox: Outbox) -> None:
    outbox.first.script.extend([PASSING] * 9)
    outbox.second.script.extend([PASSING] * 9)
    message = await outbox.owe()
    for _ in range(12):
        await outbox.pass_time(7_201)
        await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["next_try_at"]) == ("refused", None)
    assert outbox.asked == ["first:3", "second:3"]


async def test_one_of_unknown_fate_is_sent_again_by_nobody(outbox: Outbox) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    assert (await outbox.row(message))["status"] == "unknown"
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]
    await outbox.pass_time(25 * 3600)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["next_try_at"]) == ("unknown", None)


async def test_a_killed_sender_repeats_nothing(outbox: Outbox) -> None:
    message = await outbox.owe()
    assert len(await outbox.rig.messages.claim_due(10, outbox.routes)) == 1
    await outbox.pass_time(61)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("unknown", "first")
    await outbox.send_at_every_chance()
    assert outbox.asked == []


async def test_reports_that_prove_it_was_not_sent_let_the_other_carrier_try(outbox: Outbox) -> None:
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    await outbox.pass_time(60)
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.report("first", "first-2", "Sent", OTHER)
    # Not before ten minutes: its own report may be slower.
    await outbox.pass_time(500)
    assert await outbox.send() == 0
    await outbox.pass_time(60)
    assert await outbox.send() == 1
    row = await outbox.row(lost)
    assert (row["status"], row["carrier"], row["attempts"]) == ("sent", "second", 2)
    assert outbox.asked == ["first:2", "second:1"]


async def test_a_report_on_an_earlier_text_or_of_another_carrier_proves_nothing(outbox: Outbox) -> None:
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.pass_time(60)
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    outbox.routes = Routes(("second",), chats="chat")
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.report("first", "first-1", "Success", OTHER)
    await outbox.report("second", "second-1", "Success", OTHER)
    await outbox.send_at_every_chance()
    assert (await outbox.row(lost))["status"] == "unknown"
    assert outbox.asked == ["first:2", "second:1"]


async def test_its_own_report_proves_that_it_was_sent(outbox: Outbox) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    await outbox.report("first", "ATXid_9", "Success")
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier_message_id"], row["delivery_status"]) == ("sent", "ATXid_9", "Success")
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]


async def test_a_report_that_names_our_own_id_needs_no_number(outbox: Outbox) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    await outbox.report("first", str(message), "Sent", phone="")
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"], row["next_try_at"]) == ("sent", "Sent", None)


async def test_one_report_settles_one_of_two_lost_texts(outbox: Outbox) -> None:
    outbox.first.script.extend([LOST, LOST])
    messages = [await outbox.owe(), await outbox.owe()]
    await outbox.send()
    await outbox.report("first", "ATXid_1", "Sent")
    await outbox.report("first", "ATXid_1", "Success")
    await outbox.send()
    await outbox.send()
    assert sorted([(await outbox.row(m))["status"] for m in messages]) == ["sent", "unknown"]


async def test_nothing_is_concluded_while_another_text_to_that_number_is_under_way(outbox: Outbox) -> None:
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    under_way = await outbox.owe()
    (claimed,) = await outbox.rig.messages.claim_due(10, outbox.routes)
    assert claimed.id == under_way
    await outbox.report("first", "ATXid_of_the_second", "Success")
    await outbox.send()
    assert (await outbox.row(lost))["status"] == "unknown"


async def test_a_report_before_the_answer(outbox: Outbox) -> None:
    message = await outbox.owe()

    async def report(text: OutboundText) -> None:
        await outbox.report("first", "first-1", "Success")
        await outbox.report("first", "first-1", "Sent")

    outbox.first.meanwhile = report
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"]) == ("sent", "Success")
    assert row["delivery_at"] is not None


async def test_a_report_by_our_id_before_an_answer_that_is_lost(outbox: Outbox) -> None:
    message = await outbox.owe()

    async def report(text: OutboundText) -> None:
        await outbox.report("first", text.reference, "Sent", phone="")

    outbox.first.script.append(LOST)
    outbox.first.meanwhile = report
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"], row["next_try_at"]) == ("sent", "Sent", None)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["Sent", "Success"], "Success"),
        (["Success", "Sent"], "Success"),
        (["Sent", "Sent", "Success", "Success"], "Success"),
        (["Sent", "Failed"], "Failed"),
        (["Failed", "Sent"], "Failed"),
        (["Failed", "Success"], "Success"),
        (["Success", "Failed"], "Success"),
        (["Teleported"], "Teleported"),
    ],
)
async def test_what_reports_show(outbox: Outbox, words: list[str], shown: str) -> None:
    message = await outbox.owe()
    await outbox.send()
    for word in words:
        await outbox.report("first", "first-1", word)
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"]) == ("sent", shown)
    assert await outbox.rig.one("select count(*) from delivery_reports") == len(words)


async def test_an_answer_after_the_lease_ran_out_settles_it(outbox: Outbox) -> None:
    message = await outbox.owe()

    async def the_lease_runs_out(text: OutboundText) -> None:
        await outbox.pass_time(61)
        await outbox.rig.messages.claim_due(10, outbox.routes)
        assert (await outbox.row(message))["status"] == "unknown"

    outbox.first.meanwhile = the_lease_runs_out
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier_message_id"], row["next_try_at"]) == ("sent", "first-1", None)


async def test_twenty_senders_at_once_send_each_text_once(outbox: Outbox) -> None:
    for number in range(40):
        await outbox.owe(to=f"+22505010203{number:02d}")
    await asyncio.gather(*(outbox.send() for _ in range(20)))
    assert len(outbox.first.asked) == 40
    assert len({text.to for text in outbox.first.asked}) == 40


async def test_a_prefix_has_its_own_order(outbox: Outbox) -> None:
    outbox.routes = Routes(("first", "second"), {"+237": ("second", "first")})
    await outbox.owe(to="+237670000000")
    await outbox.owe()
    await outbox.send()
    assert [text.to for text in outbox.second.asked] == ["+237670000000"]
    assert [text.to for text in outbox.first.asked] == [VOTER]


async def test_a_carrier_that_is_no_longer_set_up_is_replaced(outbox: Outbox) -> None:
    outbox.second.script.append(PASSING)
    outbox.routes = Routes(("second", "first"))
    message = await outbox.owe()
    await outbox.send()
    await outbox.pass_time(16)
    outbox.routes = Routes(("second",))
    await outbox.send()
    assert (await outbox.row(message))["carrier"] == "second"


async def test_without_a_carrier_a_text_waits(outbox: Outbox) -> None:
    outbox.routes = Routes(())
    message = await outbox.owe()
    assert await outbox.send() == 0
    row = await outbox.row(message)
    assert (row["status"], row["last_error"], row["attempts"]) == ("due", "no carrier", 0)
    outbox.routes = Routes(("first",))
    await outbox.pass_time(3_601)
    await outbox.send()
    assert (await outbox.row(message))["status"] == "sent"


async def test_a_chat_message_needs_no_number(outbox: Outbox) -> None:
    message = await outbox.owe(to=None, chat=CHAT)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["parts"]) == ("sent", "chat", None)
    assert [text.to for text in outbox.chat.asked] == [str(CHAT)]


async def test_a_chat_has_its_own_words_and_a_text_in_its_place_those_of_a_text(outbox: Outbox) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    await outbox.owe(kind="receipt", chat=CHAT)
    await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.send()
    assert "receipt in the chat" in [text.text for text in outbox.chat.asked]
    # A kind that chats have no words for is worded as a text.
    assert "reply fr" in [text.text for text in (*outbox.chat.asked, *outbox.first.asked)]
    assert "in the chat" not in " ".join(text.text for text in outbox.first.asked)


async def test_a_busy_chat_is_tried_again_when_it_says_so(outbox: Outbox) -> None:
    outbox.chat.script.append(SendRefused("429", permanent=False, retry_after_seconds=90))
    await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.pass_time(80)
    assert await outbox.send() == 0
    await outbox.pass_time(11)
    await outbox.send()
    assert outbox.asked == ["chat:2"]


async def test_a_closed_chat_is_replaced_by_a_text(outbox: Outbox) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    message = await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("sent", "first")
    assert outbox.asked == ["first:1", "chat:1"]


async def test_a_closed_chat_without_a_number_is_the_end(outbox: Outbox) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    message = await outbox.owe(to=None, chat=CHAT)
    await outbox.send()
    await outbox.send_at_every_chance()
    assert (await outbox.row(message))["status"] == "refused"
    assert outbox.asked == ["chat:1"]


async def test_from_a_chat_to_texts_there_is_no_way_back(outbox: Outbox) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    outbox.first.script.extend([PASSING, PASSING])
    outbox.second.script.extend([PASSING, PASSING])
    await outbox.owe(chat=CHAT)
    for _ in range(8):
        await outbox.send()
        await outbox.pass_time(7_201)
    assert outbox.asked == ["first:3", "second:2", "chat:1"]


@pytest.mark.parametrize(("typed", "told"), [(False, "first"), (True, None)])
async def test_a_receipt_leaves_a_closed_chat_only_for_the_voters_own_number(
    outbox: Outbox, typed: bool, told: str | None
) -> None:
    """`typed`: the number pays but is not known to be the voter's."""
    rig = outbox.rig
    await rig.placed(typed=typed)
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    (receipt,) = await rig.rows("select * from messages_out where kind = 'receipt'")
    owner = await asyncpg.connect(outbox.owner_url)
    await owner.execute("update messages_out set chat_id = $1", CHAT)
    await owner.close()
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    await outbox.send()
    await outbox.send()
    row = await outbox.row(receipt.id)
    assert (row["status"], row["carrier"]) == (("sent", told) if told else ("refused", "chat"))


async def test_what_nobody_asked_for_never_reaches_who_said_stop(outbox: Outbox) -> None:
    await outbox.change("insert into text_opt_outs (phone_index) values (:index)", index=outbox.rig.vault.index(VOTER))
    unasked, receipt = await outbox.owe(kind="resume"), await outbox.owe(kind="receipt")
    await outbox.send()
    row = await outbox.row(unasked)
    assert (row["status"], row["last_error"], row["attempts"]) == ("refused", "opted out", 0)
    assert (await outbox.row(receipt))["status"] == "sent"


async def test_what_nobody_asked_for_waits_for_the_day(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = {"CI": (0,)}
    now = await outbox.rig.now()
    # Night wherever the clock of this machine stands.
    hours["CI"] = ((2 - now.hour) % 24,)
    monkeypatch.setattr("channels.messages.texting._HOURS_FROM_UTC", hours)
    unasked, receipt = await outbox.owe(kind="resume"), await outbox.owe(kind="receipt")
    await outbox.send()
    row = await outbox.row(unasked)
    assert (row["status"], row["last_error"], row["attempts"]) == ("due", "quiet hours", 0)
    assert 0 < (row["next_try_at"] - now).total_seconds() <= 6 * 3600
    assert (await outbox.row(receipt))["status"] == "sent"
    hours["CI"] = ((12 - now.hour) % 24,)
    await outbox.pass_time(7 * 3600)
    await outbox.send()
    assert (await outbox.row(unasked))["status"] == "sent"
