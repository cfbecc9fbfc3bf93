"""A payment that somebody works on, as it is read from its row."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.orders.receipt import order_code
from gateway.orders.routing import provider_of
from gateway.orders.store import payer_place, secrets_place
from gateway.orders.wallet import PaymentMethod
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault, each_opened
from gateway.values.money import Money
from payments.collection.port import OpenPayment
from payments.lifecycle import State
from payments.provider import Collection

# Columns of `OpenPaymentReader.opened`, of a payment `p`, and what they need around it.
WHOLE: Final = """
  p.reference, p.placed_at, p.vote_id, p.provider, p.method, p.country, p.amount_minor, p.currency, p.status,
  p.payer_cipher, p.base_url, p.provider_reference, p.secrets_cipher, p.accepted, p.send_tries,
  p.checks, p.not_found_count, p.not_found_since, p.expires_at, now() as now,
  v.quantity, v.language, c.slug, k.code as candidate_code
"""
AROUND: Final = """
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
"""

_PUT_OFF: Final = text("""
update payments set next_check_at = now() + make_interval(secs => :seconds)
where reference = any(cast(:references as uuid[]))
""")


class OpenPaymentReader:
    """Opens what is sealed and makes the addresses that an operator is given."""

    def __init__(self, vault: Vault, public_url: str) -> None:
        self._vault = vault
        self._public_url = public_url

    async def claimed(self, connection: AsyncConnection, rows: Iterable[Row[Any]]) -> list[OpenPayment]:
        """The payments. One that does not open is set aside, in the transaction that claimed it."""
        found, broken = each_read(rows, self.read)
        if broken:
            await set_aside(connection, Kind.PAYMENT, [(str(row.reference), error) for row, error in broken])
            named = {"references": [row.reference for row, _ in broken], "seconds": READ_AGAIN_SECONDS}
            await connection.execute(_PUT_OFF, named)
        return found

    def secrets(self, reference: UUID | None, sealed: bytes | None) -> Mapping[str, str]:
        """An operator's tokens. Raises SealBroken."""
        if reference is None or sealed is None:
            return {}
        opened: dict[str, str] = orjson.loads(self._vault.open(bytes(sealed), secrets_place(reference)))
        return opened

    def secrets_if_whole(self, reference: UUID | None, sealed: bytes | None) -> Mapping[str, str]:
        """The same, for a callback that is judged without them when they do not open."""
        found = each_opened([sealed], lambda held: self.secrets(reference, held))
        return found[0] if found else {}

    def _payer(self, row: Row[Any]) -> str | None:
        return (
            None if row.payer_cipher is None else self._vault.open(bytes(row.payer_cipher), payer_place(row.reference))
        )

    def read(self, row: Row[Any]) -> OpenPayment:
        """One payment. Raises SealBroken."""
        collection = Collection(
            reference=row.reference,
            country=row.country,
            amount=Money(row.amount_minor, row.currency),
            order_code=order_code(row.reference),
            description=f"Spotlight {row.quantity} votes {row.slug} {row.candidate_code}",
            language=row.language,
            callback_url=f"{self._public_url}/api/webhooks/{provider_of(row.provider)}/{self._vault.callback_token(row.reference)}",
            return_url=f"{self._public_url}/votes/{row.vote_id}",
            payer=self._payer(row),
            method=PaymentMethod(row.method),
            base_url=row.base_url,
            provider_reference=row.provider_reference,
            secrets=self.secrets(row.reference, row.secrets_cipher),
        )
        return OpenPayment(
            collection=collection,
            vote_id=row.vote_id,
            provider=row.provider,
            state=State(row.status),
            placed_at=row.placed_at,
            expires_at=row.expires_at,
            now=row.now,
            accepted=row.accepted,
            checks=row.checks,
            send_tries=row.send_tries,
            not_found_count=row.not_found_count,
            not_found_since=row.not_found_since,
        )
