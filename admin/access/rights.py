"""What a person may do, as the database has it at the moment of an act: pages, API and commands all ask here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin.access.rules import ASKING, Member, may_decide, rights_of
from admin.access.store import MEMBER_COLUMNS, read_member
from gateway.storage.engine import narrow
from gateway.values.numbers import whole_number
from gateway.values.organiser import Deed, allows
from gateway.values.scope import sees
from payments.requests import Act, ActRefused, Right, Scope, Why, named

# Locked, so that an account that is shut meanwhile is shut before the act or after it.
_MEMBER: Final = text(f"select {MEMBER_COLUMNS} from staff s where s.email = :email for share")
# Whose an act's subject is: each takes what of `name`, `uuid` and `number` it is named by.
_OF_PAYMENT: Final = text("""
select c.organiser_id, c.id as contest_id from payments p join contests c on c.id = p.contest_id
where p.reference = cast(:uuid as uuid)
""")
_OF_REFUND: Final = text("""
select c.organiser_id, c.id as contest_id from refunds r join contests c on c.id = r.contest_id
where r.reference = cast(:uuid as uuid)
""")
_OF_CALLBACK: Final = text("""
select c.organiser_id, c.id as contest_id from callbacks b join payments p on p.reference = b.payment_reference
  join contests c on c.id = p.contest_id where b.id = cast(:number as bigint)
""")
_OF_CONTEST: Final = text("select organiser_id, id as contest_id from contests where slug = :name")
_OF_PAYOUT: Final = text("""
select organiser_id, id as contest_id from contests where slug = :name
union all select organiser_id, contest_id from payouts where reference = cast(:uuid as uuid) limit 1
""")
_OF_BENEFICIARY: Final = text("""
select organiser_id, cast(null as uuid) as contest_id from beneficiaries where id = cast(:uuid as uuid)
""")


def _uuid(subject: str) -> UUID | None:
    try:
        return UUID(subject)
    except ValueError:
        return None


# Acts about the money of all organisers have no entry: members of one organiser may not do them.
_OF: Final[Mapping[Act, TextClause]] = {
    Act.REFUND_PAYMENT: _OF_PAYMENT,
    Act.RELEASE_HELD: _OF_PAYMENT,
    Act.REFUSE_HELD: _OF_PAYMENT,
    Act.MANUAL_REFUND_DONE: _OF_REFUND,
    Act.RETRY_REFUND: _OF_REFUND,
    Act.REPLAY_CALLBACK: _OF_CALLBACK,
    Act.VOID_WINDOW: _OF_CONTEST,
    Act.DECIDE_HELD: _OF_CONTEST,
    Act.FRAUD_LIMITS: _OF_CONTEST,
    Act.ANNOUNCE: _OF_CONTEST,
    Act.PAYOUT: _OF_PAYOUT,
    Act.BENEFICIARY: _OF_BENEFICIARY,
    Act.CERTIFY_RESULT: _OF_CONTEST,
}


@dataclass(frozen=True, slots=True)
class Whose:
    """The organiser and the contest that an act is about; None: all of them."""

    organiser_id: UUID | None = None
    contest_id: UUID | None = None


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
        _let_change(member)
        return member

    async def permit(self, connection: AsyncConnection, person: str, right: Right) -> Scope:
        """The scope of the member, if they have this right; the rest of the transaction has its rows alone. Raises
        ActRefused."""
        scope = (await self.check(connection, person, right)).scope
        await narrow(connection, scope)
        return scope

    async def check_asker(
        self, connection: AsyncConnection, person: str, act: Act, subject: str
    ) -> tuple[Scope, Whose]:
        """Their scope and whose an act would be, if they may ask for it. Raises ActRefused: what is another
        organiser's is not there."""
        member = await self.check(connection, person, ASKING[act])
        if act is Act.PAYOUT and not allows(member.organiser_state, Deed.ASK_PAYOUT):
            raise ActRefused(Why.LIMITED, "this organiser is limited: the platform asks for its payouts")
        return await self._asked(connection, member, act, subject)

    async def check_asked(self, connection: AsyncConnection, person: str, act: Act, subject: str) -> None:
        """Whether who asked for an act still has the right to. Their organiser may be stopped since: whoever agrees
        stands for that. Raises ActRefused."""
        member, rights = await self._rights(connection, person)
        if ASKING[act] not in rights:
            raise self._not_allowed(member, ASKING[act])
        await self._asked(connection, member, act, subject)

    @staticmethod
    async def _asked(connection: AsyncConnection, member: Member, act: Act, subject: str) -> tuple[Scope, Whose]:
        if act is Act.PAYOUT and member.organiser_id is not None and _uuid(subject) is not None:
            raise ActRefused(Why.NOT_ALLOWED, "a payout that waits for a person is ended by the platform")
        return member.scope, await _in_scope(connection, member, act, subject)

    async def check_second(self, connection: AsyncConnection, person: str, act: Act, subject: str) -> None:
        """Whether they may be the second person of an act. Raises ActRefused."""
        member, rights = await self._rights(connection, person)
        await _in_scope(connection, member, act, subject)
        _let_change(member)
        if not may_decide(rights, act, member.scope):
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


def _let_change(member: Member) -> None:
    if not allows(member.organiser_state, Deed.CHANGE):
        raise ActRefused(Why.FROZEN, "this organiser is frozen: its people may read, and change nothing")


async def _in_scope(connection: AsyncConnection, member: Member, act: Act, subject: str) -> Whose:
    named_by = {"name": subject, "uuid": _uuid(subject), "number": whole_number(subject, 18)}
    row = (await connection.execute(_OF[act], named_by)).one_or_none() if act in _OF else None
    whose = Whose() if row is None else Whose(row.organiser_id, row.contest_id)
    if not sees(member.scope, organiser=whose.organiser_id, contest=whose.contest_id):
        raise ActRefused(Why.UNKNOWN, f"there is no {subject!r}")
    return whose
