"""What went before a text, between its sender and its short code: read from what was stored of both."""

from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.incoming import IncomingText, Question, Talk
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.money import Money

# How long YES is an answer.
QUESTION_MINUTES: Final = 10

# A question is open until a text that counts comes after it: repeats, noise and a YES that we were too
# busy for do not. A text that is not judged yet may mean anything, so it closes the question too.
_TALK: Final = text("""
with me as (select * from messages_in where carrier = :carrier and carrier_id = :carrier_id),
last as (
  select p.carrier, p.carrier_id from messages_in p join me
    on p.sender_index = me.sender_index and p.recipient = me.recipient and p.received_at < me.received_at
      and p.received_at > me.received_at - make_interval(mins => :minutes)
  where coalesce(p.outcome, '') not in ('repeated', 'noise', 'refused: try_again')
  order by p.received_at desc limit 1)
select
  (select count(*) from messages_in p join me
      on p.sender_index = me.sender_index and p.received_at > me.received_at - interval '1 hour'
    where coalesce(p.outcome, '') not like 'unanswered%' and exists (select 1 from messages_out o
      where o.kind = 'reply' and o.key = p.carrier || ':' || p.carrier_id)) as replies,
  exists (select 1 from text_opt_outs s join me on s.phone_index = me.sender_index) as opted_out,
  exists (select 1 from messages_in p join me
      on p.sender_index = me.sender_index and p.recipient = me.recipient and p.text_hash = me.text_hash
        and p.received_at between me.received_at - interval '3 minutes' and me.received_at
        and p.carrier_id <> me.carrier_id
    where p.outcome = 'order') as bought,
  (select o.key from last join messages_out o
    on o.kind = 'reply' and o.key = last.carrier || ':' || last.carrier_id) as key,
  (select o.params -> 'question' from last join messages_out o
    on o.kind = 'reply' and o.key = last.carrier || ':' || last.carrier_id) as question
""")


class PostgresTalks:
    """Reads talks. `engine` commits each statement by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def talk(self, incoming: IncomingText) -> Talk:
        """What went before a stored text. Raises DatabaseUnavailable."""
        asked = {"carrier": incoming.carrier, "carrier_id": incoming.carrier_id, "minutes": QUESTION_MINUTES}
        try:
            async with self._engine.connect() as connection:
                row = (await connection.execute(_TALK, asked)).one()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        return Talk(row.replies, row.opted_out, row.bought, _question(row))


def _question(row: Row[Any]) -> Question | None:
    if row.question is None:
        return None
    held = row.question
    return Question(
        contest_slug=held["contest"],
        candidate_code=held["code"],
        quantity=held["quantity"],
        amount=Money(held["amount_minor"], held["currency"]),
        # A question that is asked again keeps the key of the first text; one of an earlier version lacks it.
        key=held.get("key", row.key),
    )


def written(question: Question) -> dict[str, object]:
    """A question as it is kept with the text that asks it."""
    return {
        "key": question.key,
        "contest": question.contest_slug,
        "code": question.candidate_code,
        "quantity": question.quantity,
        "amount_minor": question.amount.amount_minor,
        "currency": question.amount.currency,
    }
