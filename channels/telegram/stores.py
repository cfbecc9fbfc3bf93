"""What the channel keeps, and where."""

from dataclasses import dataclass

from redis import asyncio as redis_asyncio

from channels.session_store import SessionStore
from channels.telegram.port import ChatStore, SendBudget, UpdateStore, WatchedOrders


@dataclass(frozen=True)
class Stores:
    """Updates, chats, what may be sent, which orders are watched, dialogues."""

    updates: UpdateStore
    chats: ChatStore
    budget: SendBudget
    watched: WatchedOrders
    sessions: SessionStore
    redis: "redis_asyncio.Redis"
