"""People who propose themselves, and the private link by which a candidate reads how they stand.

Who proposed themselves have a number, and a code once they are approved: who is rejected uses none up. A link is 256
random bits, of which only the hash is kept. That of a form is made of the form's own nonce with a key, so that the same
form sent twice is one nomination. It is also sent to the contact that was typed, as is the decision.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.candidate_import import Fault
from gateway.contests.candidate_rules import LENGTH_MAX, Column, FieldFault, field_fault, look_alike, tidy
from gateway.contests.changes import Entry, plan
from gateway.contests.contest import RESERVED_START, Candidate, CandidateStatus, Contest
from gateway.contests.directory import read_contest
from gateway.contests.quotas import QuotaReached
from gateway.contests.store import lock_contests, write_plan
from gateway.storage.audit_log import note
from gateway.storage.schema.contests import candidate_links, candidate_totals, candidates, contests
from gateway.storage.vault import Vault
from gateway.values.msisdn import Msisdn, read_msisdn

WAITING_MAX: Final = 200
# Whoever types a contact may type another's: it gets so many messages of new nominations, over all contests.
OF_CONTACT_A_DAY: Final = 3
NUMBER_MAX: Final = 9_999
ACTOR: Final = "nomination"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MAIL: Final = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]+\.[^\s@<>\".]{2,}")
_MAIL_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Nominee:
    """Who is proposed, as typed. `sure`: they saw that their name looks like another's. `minor`: under 18 years, who
    has a guardian, whose name, number and consent are wanted."""

    name: str
    contact: str
    category: str = ""
    text: str = ""
    consent: bool = False
    sure: bool = False
    minor: bool = False
    guardian: str = ""
    guardian_phone: str = ""
    guardian_consent: bool = False


@dataclass(frozen=True, slots=True)
class Guardian:
    """Who agreed that a minor stands in a contest. `phone`: as E.164."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Nominated:
    """How a candidate stands, as the private link shows it."""

    contest: Contest
    candidate: Candidate
    votes: int


class News(StrEnum):
    """What a candidate is told, by the name of the message."""

    LINK = "nomination_link"
    APPROVED = "nomination_approved"
    REJECTED = "nomination_rejected"
    CHANGE_TAKEN = "nomination_change_taken"
    CHANGE_REFUSED = "nomination_change_refused"
    VIDEO_TAKEN = "nomination_video_taken"
    VIDEO_REFUSED = "nomination_video_refused"


Tell = Callable[[AsyncConnection, News, str, str, Mapping[str, str]], Awaitable[None]]
"""Writes that news are owed: to which number or address, in which language, and what they say."""

_SEEN: Final = text("""
select count(*) filter (where l.contact_index = :contact and l.made_at > now() - interval '1 day') as lately,
  count(*) filter (where k.contest_id = :contest) as numbered,
  count(*) filter (where l.contact_index = :contact and k.contest_id = :contest
    and k.status in ('submitted', 'approved')) as standing
from candidate_links l join candidates k on k.id = l.candidate_id
where k.contest_id = :contest or l.contact_index = :contact
""")


class NominationsOver(Exception):
    """The contest takes no nominations now, or has no room for more."""


class NominationRefused(Exception):
    """A form that cannot be taken; nothing was changed. `alike`: a candidate whose name looks like this one; `reached`:
    another candidate left the same contact."""

    def __init__(self, faults: Sequence[Fault], alike: Candidate | None = None, *, reached: bool = False) -> None:
        super().__init__(", ".join(fault.kind for fault in faults))
        self.faults = faults
        self.alike = alike
        self.reached = reached


def read_contact(typed: str, country: str) -> str | None:
    """An e-mail address, or a phone number as E.164; None for neither."""
    text = typed.strip()
    if "@" in text:
        return text.lower() if len(text) <= _MAIL_LENGTH_MAX and _MAIL.fullmatch(text) else None
    number = read_msisdn(text, country)
    return number.e164 if isinstance(number, Msisdn) else None


def guardian_place(candidate_id: UUID) -> str:
    """Where a guardian is sealed."""
    return f"candidate_links.guardian_cipher:{candidate_id}"


def contact_place(candidate_id: UUID) -> str:
    """Where a contact is sealed."""
    return f"candidate_links.contact_cipher:{candidate_id}"


class Nominations:
    """Nominations and private links. `changed`: called after one, so that this process knows of it at once;
    `public_url`: of our pages."""

    def __init__(
        self, engine: AsyncEngine, vault: Vault, changed: Callable[[], Awaitable[None]], tell: Tell, public_url: str
    ) -> None:
        self.engine: Final = engine
        self.changed: Final = changed
        self._vault = vault
        self._tell = tell
        self._public_url = public_url
        self._key = vault.subkey("nominations")

    async def nominate(self, slug: str, nominee: Nominee, nonce: str, language: str) -> str:
        """Take a nomination; the token of its link. The same nonce again gives the same token. Raises
        NominationRefused, NominationsOver."""
        token = urlsafe_b64encode(hmac.digest(self._key, nonce.encode(), "sha256")).rstrip(b"=").decode()
        async with self.engine.begin() as connection:
            await lock_contests(connection)
            if await _linked(connection, token) is not None:
                return token
            contest = await read_contest(connection, slug, None)
            now = (await connection.execute(select(func.now()))).scalar_one()
            if contest is None or not contest.public or not contest.nominated_at(now):
                raise NominationsOver(slug)
            if sum(one.status is CandidateStatus.SUBMITTED for one in contest.candidates) >= WAITING_MAX:
                raise NominationsOver(slug)
            checked, contact, guardian = _checked(nominee, contest)
            index = self._vault.index(contact)
            entry = replace(checked, code=await _number(connection, contest, index, sure=nominee.sure))
            made = plan(contest, replace(contest, candidates=(), _by_code={}), [entry])
            try:
                await write_plan(connection, made, ACTOR, "candidate.nominate")
            except QuotaReached:
                raise NominationsOver(slug) from None
            person = made.added[0]
            row = {
                "candidate_id": person.id,
                "token_hash": _hash(token),
                "contact_cipher": self._vault.seal(contact, contact_place(person.id)),
                "contact_index": index,
                "guardian_cipher": None if guardian is None else self._seal_guardian(guardian, person.id),
                "language": language,
                "consented_at": now,
            }
            await connection.execute(upsert(candidate_links).values(row))
            await self._tell_link(connection, contest, person, (contact, language), token)
        await self.changed()
        return token

    async def find(self, token: str) -> Nominated | None:
        """Whom a link is about; None for a link that is none."""
        async with self.engine.connect() as connection:
            found = await _linked(connection, token) if _TOKEN.fullmatch(token) else None
            contest = None if found is None else await read_contest(connection, found[0], None)
            if found is None or contest is None:
                return None
            candidate = contest.candidate(found[1])
            votes = select(func.sum(candidate_totals.c.votes)).join(
                candidates, candidates.c.id == candidate_totals.c.candidate_id
            )
            counted = await connection.execute(
                votes.where(candidates.c.contest_id == contest.id, candidates.c.code == found[1])
            )
            return None if candidate is None else Nominated(contest, candidate, counted.scalar() or 0)

    async def new_link(self, connection: AsyncConnection, contest: Contest, candidate: Candidate, actor: str) -> str:
        """The token of a new link for a candidate, also sent to who left a contact; the one before ends."""
        token = secrets.token_urlsafe(32)
        row = {"candidate_id": candidate.id, "token_hash": _hash(token), "language": contest.language}
        written = upsert(candidate_links).values(row)
        await connection.execute(
            written.on_conflict_do_update(index_elements=["candidate_id"], set_={"token_hash": row["token_hash"]})
        )
        await note(
            connection,
            actor=actor,
            act="candidate.link",
            subject=contest.slug,
            detail={"code": candidate.code},
            contest=contest.id,
        )
        if (reached := await self._reached(connection, candidate)) is not None:
            await self._tell_link(connection, contest, candidate, reached, token)
        return token

    async def contact(self, connection: AsyncConnection, candidate: Candidate) -> str | None:
        """How to reach who proposed themselves; None for a candidate that staff added. Raises SealBroken."""
        reached = await self._reached(connection, candidate)
        return None if reached is None else reached[0]

    async def guardians(self, connection: AsyncConnection, people: Sequence[Candidate]) -> Mapping[UUID, Guardian]:
        """Guardians of those of these candidates who are minors. Raises SealBroken."""
        link = candidate_links.c
        asked = select(link.candidate_id, link.guardian_cipher).where(
            link.candidate_id.in_([person.id for person in people]), link.guardian_cipher.is_not(None)
        )
        return {
            row.candidate_id: Guardian(
                **orjson.loads(self._vault.open(row.guardian_cipher, guardian_place(row.candidate_id)))
            )
            for row in await connection.execute(asked)
        }

    def _seal_guardian(self, guardian: Guardian, candidate_id: UUID) -> bytes:
        return self._vault.seal(orjson.dumps(guardian).decode(), guardian_place(candidate_id))

    async def tell_decisions(self, connection: AsyncConnection, before: Contest, after: Contest) -> None:
        """Tell candidates who left a contact that they were approved or rejected, and why."""
        were = {person.id: person.status for person in before.candidates}
        for person in after.candidates:
            news = _DECIDED.get(person.status)
            if news is None or were.get(person.id, person.status) is person.status:
                continue
            await self.tell_of(connection, after, person, news, person.reason)

    async def tell_of(
        self, connection: AsyncConnection, contest: Contest, candidate: Candidate, news: News, reason: str = ""
    ) -> None:
        """Tell a candidate who left a contact what was decided."""
        if (reached := await self._reached(connection, candidate)) is None:
            return
        link = f"{self._public_url}/c/{contest.slug}" + (f"/{candidate.code}" if candidate.eligible else "")
        facts = {"name": candidate.name, "contest": contest.name, "code": candidate.code, "link": link}
        await self._tell(connection, news, *reached, {**facts, "reason": reason})

    async def _reached(self, connection: AsyncConnection, candidate: Candidate) -> tuple[str, str] | None:
        """The contact of a candidate, and in which language they read."""
        link = candidate_links.c
        asked = select(link.contact_cipher, link.language).where(link.candidate_id == candidate.id)
        row = (await connection.execute(asked)).one_or_none()
        if row is None or row.contact_cipher is None:
            return None
        return self._vault.open(row.contact_cipher, contact_place(candidate.id)), row.language

    async def _tell_link(
        self, connection: AsyncConnection, contest: Contest, candidate: Candidate, reached: tuple[str, str], token: str
    ) -> None:
        link = f"{self._public_url}/nominations/{token}"
        facts = {"name": candidate.name, "contest": contest.name, "link": link}
        await self._tell(connection, News.LINK, *reached, facts)


_DECIDED: Final = {CandidateStatus.APPROVED: News.APPROVED, CandidateStatus.REJECTED: News.REJECTED}


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def _linked(connection: AsyncConnection, token: str) -> tuple[str, str] | None:
    """Slug and code of whom a link is about."""
    asked = (
        select(contests.c.slug, candidates.c.code)
        .join(candidates, candidates.c.contest_id == contests.c.id)
        .join(candidate_links, candidate_links.c.candidate_id == candidates.c.id)
        .where(candidate_links.c.token_hash == _hash(token))
    )
    row = (await connection.execute(asked)).one_or_none()
    return None if row is None else (row.slug, row.code)


async def _number(connection: AsyncConnection, contest: Contest, contact: bytes, *, sure: bool) -> str:
    """The number of a new nomination, which no other one of the contest ever had. Raises NominationRefused,
    NominationsOver."""
    seen = (await connection.execute(_SEEN, {"contact": contact, "contest": contest.id})).one()
    if seen.lately >= OF_CONTACT_A_DAY:
        raise NominationRefused([Fault(1, "contact", "contact_often")])
    if seen.standing and not sure:
        raise NominationRefused([], reached=True)
    # Each nomination leaves a link, and no link is deleted.
    number = seen.numbered + 1
    if number > NUMBER_MAX:
        raise NominationsOver(contest.slug)
    return f"{RESERVED_START}{number:04d}"


def _checked(nominee: Nominee, contest: Contest) -> tuple[Entry, str, Guardian | None]:
    """What is written, the contact, and the guardian of a minor. Raises NominationRefused."""
    typed: Mapping[Column, str] = {
        Column.NAME: tidy(Column.NAME, nominee.name),
        Column.TEXT: tidy(Column.TEXT, nominee.text),
    }
    faults = field_faults(typed)
    contact = read_contact(nominee.contact, contest.country)
    if contact is None:
        faults.append(Fault(1, "contact", "contact"))
    if nominee.category and nominee.category not in contest.categories:
        faults.append(Fault(1, Column.CATEGORY.value, "unknown_category"))
    if not nominee.consent:
        faults.append(Fault(1, "consent", "no_consent"))
    guardian = _guardian(nominee, contest.country, faults) if nominee.minor else None
    if faults or contact is None:
        raise NominationRefused(faults)
    alike = look_alike(typed[Column.NAME], contest.candidates)
    if alike is not None and not nominee.sure:
        raise NominationRefused([], alike)
    status, presentation = CandidateStatus.SUBMITTED, typed[Column.TEXT]
    return Entry(typed[Column.NAME], status, category=nominee.category, text=presentation), contact, guardian


def _guardian(nominee: Nominee, country: str, faults: list[Fault]) -> Guardian | None:
    """The guardian of a minor; what is wrong is added to the faults."""
    name, number = tidy(Column.NAME, nominee.guardian), read_msisdn(nominee.guardian_phone.strip(), country)
    if not name:
        faults.append(Fault(1, "guardian", "guardian_missing"))
    else:
        faults += [replace(fault, column="guardian") for fault in field_faults({Column.NAME: name})]
    if not isinstance(number, Msisdn):
        faults.append(Fault(1, "guardian_phone", "guardian_phone"))
    if not nominee.guardian_consent:
        faults.append(Fault(1, "guardian_consent", "no_guardian_consent"))
    return Guardian(name, number.e164) if isinstance(number, Msisdn) else None


def field_faults(typed: Mapping[Column, str]) -> list[Fault]:
    """What is wrong with tidy fields."""
    return [
        Fault(1, column.value, fault.value, str(LENGTH_MAX[column]) if fault is FieldFault.TOO_LONG else "")
        for column, value in typed.items()
        if (fault := field_fault(column, value)) is not None
    ]
