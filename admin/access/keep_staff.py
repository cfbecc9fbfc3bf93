"""Accounts of staff: made, shut and opened again by the operator of the service."""

import re
from typing import Final

from admin.access.passwords import Passwords
from admin.access.rules import Member, PasswordFault, Role, password_fault
from admin.access.store import StaffAccounts, StaffRefused

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}", re.ASCII)

FAULTS: Final = {
    PasswordFault.TOO_SHORT: "a password has at least 12 characters",
    PasswordFault.TOO_LONG: "a password has at most 128 characters",
    PasswordFault.COMMON: "this password is one of those that are tried first; choose another",
}


def read_email(typed: str) -> str:
    """An address as accounts have it. Raises StaffRefused."""
    email = typed.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise StaffRefused(f"{typed.strip()!r} is no e-mail address")
    return email


class KeepStaff:
    """Accounts of staff. `actor` as `StaffAccounts` has it."""

    def __init__(self, accounts: StaffAccounts, passwords: Passwords) -> None:
        self.accounts = accounts
        self._passwords = passwords

    async def create(
        self,
        email: str,
        password: str,
        *,
        role: Role,
        actor: str,
        name: str = "",
        organiser: str | None = None,
        contest: str | None = None,
    ) -> Member:
        """Make an account. Raises StaffRefused for an address or a password that is none."""
        address = read_email(email)
        if fault := password_fault(password, address):
            raise StaffRefused(FAULTS[fault])
        password_hash = await self._passwords.hashed(password)
        return await self.accounts.create(
            email=address,
            name=name,
            role=role,
            organiser=organiser,
            contest=contest,
            password_hash=password_hash,
            actor=actor,
        )

    async def ensure(self, email: str, password: str | None, *, first: str, name: str, actor: str) -> bool:
        """The owner's account of a demonstration, with this password if one is given. Where none is, `first`
        is that of an account which is made now: True says that it is."""
        found = await self.accounts.credentials(email)
        if found is None:
            password_hash = await self._passwords.hashed(password or first)
            await self.accounts.create(
                email=email, name=name, role=Role.OWNER, organiser=None, password_hash=password_hash, actor=actor
            )
            return password is None
        if password and not await self._passwords.fits(password, found.password_hash):
            await self.accounts.set_password(found.member.id, await self._passwords.hashed(password), actor)
        return False
