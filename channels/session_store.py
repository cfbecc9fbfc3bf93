"""Where the state of a dialogue is kept."""

from typing import Protocol

from aiohttp import web


class SessionStore(Protocol):
    """Short-lived state of a dialogue. Losing it costs the voter a few key presses, never money."""

    async def get(self, key: str) -> bytes | None:
        """The stored bytes; None when absent or when the store does not answer in time."""
        ...

    async def get_all(self, *keys: str) -> list[bytes | None]:
        """The same for several keys in one trip."""
        ...

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Store with a time to live. A store that does not answer is logged, not raised."""
        ...

    def put_soon(self, *entries: tuple[str, bytes, int]) -> None:
        """Store keys and values with their times to live, without waiting: the voter answers the
        screen seconds later. Never raises."""
        ...


SESSIONS: web.AppKey[SessionStore] = web.AppKey("sessions", SessionStore)
