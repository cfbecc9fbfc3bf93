"""A browser without script on the web channel, over a voting service in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from tests.channels.web.service import application
from tests.rigs.voting_service import FakeVotingService

FORM = {"nonce": "a" * 20, "quantity": "5", "phone": "05 01 02 03 04", "method": ""}
PAGE = "/c/star/07"


@dataclass
class Here:
    service: FakeVotingService
    client: TestClient[web.Request, web.Application]

    async def send(self, headers: dict[str, str] | None = None, **changes: str) -> ClientResponse:
        return await self.client.post(PAGE, data=FORM | changes, headers=headers, allow_redirects=False)

    async def read(self, path: str, language: str = "en") -> str:
        return await (await self.client.get(path, headers={"Accept-Language": language})).text()

    async def ordered(self, **changes: object) -> str:
        """The address of an order that then became this."""
        path = (await self.send(nonce=uuid4().hex)).headers["Location"]
        self.service.change(UUID(path.rpartition("/")[2]), **changes)
        return path


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service))) as client:
        yield Here(service, client)
