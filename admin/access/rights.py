"""What a person may do, as the database has it at the moment of an act: pages, API and commands all ask here."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin.access.rules import ASKING, Member, may_decide, rights_of
from admin.access.store import MEMBER_COLUMNS, read_member
from payments.requests import Act, ActRefused, Right, Scope, Why, named

# Locked, so that an account that is shut meanwhile is shut before the act or after it.
_MEMBER: Final = text(f"select {MEMBER_COLUMNS} from staff s where s.email = :email for share")
_OF_PAYMENT: Final = text("""
select c.organiser_id from payments p join contests c on c.id = p.contest_id where p.reference = :subject
""")
_OF_REFUND: Final = text("""
select c.organiser_id from refunds r join contests c on c.id = r.contest_id where r.reference = :subject
""")
_OF_CALLBACK: Final = text("""
select c.organiser_id from callbacks b join payments p on p.reference = b.payment_reference
  join contests c on c.id = p.contest_id where b.id = :subject
""")
_OF_CONTEST: Final = text("select organiser_id from contests where slug = :subject")


def _uuid(subject: str) -> UUID | None:
    try:
        return UUID(subject)
    except ValueError:
        return None


def _number(subject: str) -> int | None:
    return int(subject) if subject.isascii() and subject.isdigit() and len(subject) <= 18 else None


# Acts about the money of all organisers have no entry: members of one organiser may not do them.
_ORGANISER_OF: Final[Mapping[Act, tuple[TextClause, Callable[[str], object]]]] = {
    Act.REFUND_PAYMENT: (_OF_PAYMENT, _uuid),
    Act.RELEASE_HELD: (_OF_PAYMENT, _uuid),
    Act.REFUSE_HELD: (_OF_PAYMENT, _uuid),
    Act.MANUAL_REFUND_DONE: (_OF_REFUND, _uuid),
    Act.RETRY_REFUND: (_OF_REFUND, _uuid),
    Act.REPLAY_CALLBACK: (_OF_CALLBACK, _number),
    Act.VOID_WINDOW: (_OF_CONTEST, str),
}


class StaffRights:
    """Checks rights inside the transaction of an act. `factor_wanted`: without a second factor there are no
    rights."""

    def __init__(self, *, factor_wanted: bool) -> None:
        self._factor_wanted = factor_wanted

    async def check(self, connection: AsyncConnection, person: str, right: Right) -> Member:
        """The member, who must have this right. Raises ActRefused."""
        member, rights = await self._rights(connection, person)
        if right not in rights:
            raise self._not_allowed(member, right)
        return member

    async def permit(self, connection: AsyncConnection, person: str, right: Right) -> Scope:
        """The organiser that the member is limited to, if they have this right. Raises ActRefused."""
        return (await self.check(connection, person, right)).organiser_id

    async def check_asker(self, connection: AsyncConnection, person: str, act: Act, subject: str) -> None:
        """Whether they may ask for an act. Raises ActRefused: what is another organiser's is not there."""
        await _in_scope(connection, await self.check(connection, person, ASKING[act]), act, subject)

    async def check_second(self, connection: AsyncConnection, person: str, act: Act, subject: str) -> None:
        """Whether they may be the second person of an act. Raises ActRefused."""
        member, rights = await self._rights(connection, person)
        await _in_scope(connection, member, act, subject)
        if not may_decide(rights, act):
            raise self._not_allowed(member, ASKING[act] if Right.DECIDE in rights else Right.DECIDE)

    async def _rights(self, connection: AsyncConnection, person: str) -> tuple[Member, frozenset[Right]]:
        email = named(person)
        row = (await connection.execute(_MEMBER, {"email": email})).one_or_none()
        if row is None or not row.active:
            raise ActRefused(Why.NO_PERSON, f"{email} is not one of the staff, or no longer")
        member = read_member(row)
        return member, rights_of(member, factor_wanted=self._factor_wanted)

    def _not_allowed(self, member: Member, right: Right) -> ActRefused:
        if self._factor_wanted and not member.has_factor:
            return ActRefused(Why.NOT_ALLOWED, f"{member.email} has no second factor yet: set it up at /admin/factor")
        return ActRefused(Why.NOT_ALLOWED, f"the role {member.role.value} of {member.email} lacks {right.value}")


async def _in_scope(connection: AsyncConnection, member: Member, act: Act, subject: str) -> None:
    if member.organiser_id is None:
        return
    organiser: Any = None
    if act in _ORGANISER_OF:
        query, read = _ORGANISER_OF[act]
        organiser = (await connection.execute(query, {"subject": read(subject)})).scalar_one_or_none()
    if organiser != member.organiser_id:
        raise ActRefused(Why.UNKNOWN, f"there is no {subject!r}")
