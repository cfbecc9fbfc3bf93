"""Forms that are sent twice, by a double click or a page that is loaded again: what they ask for is done once."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.values.record import record

_BEGIN: Final = text("""
insert into sent_forms as f (id) values (:id)
on conflict (id) do update set id = excluded.id returning xmax = 0 as first, led_to
""")
_END: Final = text("update sent_forms set led_to = :led_to where id = :id")
_FORGET: Final = text("delete from sent_forms where id = :id")


@record
class Sent:
    """How often a form was sent. `first`: never before; `led_to`: the page that it led to, None until it is done."""

    first: bool
    led_to: str | None


class SentForms:
    """Forms that were sent lately, each by the id of its page, its sender and its fields."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, form: UUID) -> Sent:
        """Note that a form was sent."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_BEGIN, {"id": form})).one()
        return Sent(row.first, row.led_to)

    async def end(self, form: UUID, led_to: str | None) -> None:
        """Note where a form led; None: nothing was done, so that it may be sent again."""
        statement = _FORGET if led_to is None else _END
        async with self._engine.begin() as connection:
            await connection.execute(statement, {"id": form} if led_to is None else {"id": form, "led_to": led_to})
