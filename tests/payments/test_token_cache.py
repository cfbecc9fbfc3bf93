"""One token for many calls."""

import asyncio
from dataclasses import dataclass, field

import pytest

from payments.http_call import Answer, Outcome
from payments.provider import NotSent, Unknown
from payments.token_cache import (
    LIFE_SECONDS_UNKNOWN,
    RENEWAL_PAUSE_SECONDS,
    Token,
    TokenCache,
    basic,
    read_token,
)

KEY = "https://operator.example"
OTHER = "https://old.example"
REFUSED = Answer(401, b"", "")


@dataclass
class Operator:
    """Gives tokens t1, t2, … unless `refusals` are left; each takes until `gate` is open."""

    lives: float = 3600
    refusals: list[NotSent] = field(default_factory=list)
    asked: int = 0
    gate: asyncio.Event | None = None

    async def mint(self) -> Token | NotSent:
        self.asked += 1
        number = self.asked
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        return self.refusals.pop(0) if self.refusals else Token(f"t{number}", self.lives)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> TokenCache:
    return TokenCache(renew_after=lambda lives: lives - 600, clock=clock)


async def test_kept_until_some_time_before_its_end(cache: TokenCache, clock: Clock) -> None:
    operator = Operator()
    assert await cache.get(KEY, operator.mint) == "t1"
    clock.now += 2999
    assert await cache.get(KEY, operator.mint) == "t1"
    clock.now += 1
    assert await cache.get(KEY, operator.mint) == "t2"


async def test_each_platform_has_its_own(cache: TokenCache) -> None:
    operator = Operator()
    assert await cache.get(KEY, operator.mint) == "t1"
    assert await cache.get(OTHER, operator.mint) == "t2"
    assert await cache.get(KEY, operator.mint) == "t1"


async def test_many_who_wait_share_one_renewal(cache: TokenCache) -> None:
    operator = Operator()
    assert set(await asyncio.gather(*(cache.get(KEY, operator.mint) for _ in range(30)))) == {"t1"}
    assert operator.asked == 1


async def test_many_who_wait_share_one_refusal(cache: TokenCache) -> None:
    refusal = NotSent("token: ReadTimeout")
    operator = Operator(refusals=[refusal, NotSent("another")])
    assert set(await asyncio.gather(*(cache.get(KEY, operator.mint) for _ in range(30)))) == {refusal}
    assert operator.asked == 1
    assert await cache.get(KEY, operator.mint) == NotSent("another")
    assert await cache.get(KEY, operator.mint) == "t3"


async def test_only_the_caller_that_renews_early_waits_for_it(cache: TokenCache, clock: Clock) -> None:
    operator = Operator()
    await cache.get(KEY, operator.mint)
    clock.now += 3100
    operator.gate = asyncio.Event()
    renewing = asyncio.create_task(cache.get(KEY, operator.mint))
    await asyncio.sleep(0)
    assert await cache.get(KEY, operator.mint) == "t1"
    operator.gate.set()
    assert await renewing == "t2"
    assert await cache.get(KEY, operator.mint) == "t2"


async def test_an_early_renewal_that_fails_does_no_harm(cache: TokenCache, clock: Clock) -> None:
    operator = Operator()
    await cache.get(KEY, operator.mint)
    operator.refusals = [NotSent("down"), NotSent("still down")]
    clock.now += 3100
    assert await cache.get(KEY, operator.mint) == "t1"
    assert await cache.get(KEY, operator.mint) == "t1"
    assert operator.asked == 2
    clock.now += RENEWAL_PAUSE_SECONDS
    assert await cache.get(KEY, operator.mint) == "t1"
    clock.now += 500
    assert await cache.get(KEY, operator.mint) == "t4"


async def test_a_renewal_that_is_given_up_leaves_no_lock(cache: TokenCache) -> None:
    operator = Operator(gate=asyncio.Event())
    impatient = asyncio.create_task(cache.get(KEY, operator.mint))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert operator.gate is not None
    operator.gate.set()
    assert await cache.get(KEY, operator.mint) == "t2"


async def test_forgetting_an_old_token_leaves_the_new_one(cache: TokenCache) -> None:
    operator = Operator()
    await cache.get(KEY, operator.mint)
    cache.forget(KEY, "t0")
    assert await cache.get(KEY, operator.mint) == "t1"
    cache.forget(KEY, "t1")
    cache.forget(OTHER, "t1")
    assert await cache.get(KEY, operator.mint) == "t2"


@pytest.mark.parametrize(
    ("answers", "used", "result"),
    [
        ([Answer(202, b"", "")], ["t1"], Answer(202, b"", "")),
        ([REFUSED, Answer(202, b"", "")], ["t1", "t2"], Answer(202, b"", "")),
        ([REFUSED, REFUSED], ["t1", "t2"], REFUSED),
        ([REFUSED, Unknown("ReadTimeout")], ["t1", "t2"], Unknown("ReadTimeout")),
        ([Unknown("ReadTimeout")], ["t1"], Unknown("ReadTimeout")),
    ],
)
async def test_a_refused_token_is_renewed_once(
    cache: TokenCache, answers: list[Outcome], used: list[str], result: Outcome
) -> None:
    operator, tokens = Operator(), []

    async def call(token: str) -> Outcome:
        tokens.append(token)
        return answers[len(tokens) - 1]

    assert await cache.authorised(KEY, operator.mint, call) == result
    assert tokens == used


async def test_many_refused_at_once_ask_for_one_new_token(cache: TokenCache) -> None:
    operator = Operator()

    async def call(token: str) -> Outcome:
        await asyncio.sleep(0)
        return REFUSED if token == "t1" else Answer(202, b"", "")

    outcomes = await asyncio.gather(*(cache.authorised(KEY, operator.mint, call) for _ in range(30)))
    assert set(outcomes) == {Answer(202, b"", "")}
    assert operator.asked == 2


async def test_without_a_token_no_call(cache: TokenCache) -> None:
    async def call(token: str) -> Outcome:
        raise AssertionError("called without a token")

    refusal = NotSent("token: 401", alarm=True)
    assert await cache.authorised(KEY, Operator(refusals=[refusal]).mint, call) == refusal


@pytest.mark.parametrize(
    ("outcome", "read"),
    [
        (Answer(200, b'{"access_token": "t", "expires_in": 3600}', ""), Token("t", 3600)),
        (Answer(200, b'{"access_token": "t", "expires_in": "7776000"}', ""), Token("t", 7776000)),
        (Answer(200, b'{"access_token": "t"}', ""), Token("t", LIFE_SECONDS_UNKNOWN)),
        (Answer(200, b'{"access_token": "t", "expires_in": -1}', ""), Token("t", LIFE_SECONDS_UNKNOWN)),
        (Answer(200, b'{"access_token": "t\\r\\nX: y"}', ""), NotSent("token: unreadable answer")),
        (Answer(200, b'{"access_token": 5}', ""), NotSent("token: unreadable answer")),
        (Answer(200, b"<html>", "text/html"), NotSent("token: unreadable answer")),
        (Answer(401, b'{"error": "invalid_client"}', ""), NotSent("token: 401", alarm=True)),
        (Answer(403, b"<html>", "text/html"), NotSent("token: 403", alarm=True)),
        (Answer(503, b"", ""), NotSent("token: 503")),
        (NotSent("ConnectError"), NotSent("token: ConnectError")),
        (Unknown("ReadTimeout"), NotSent("token: ReadTimeout")),
    ],
)
def test_reading_the_answer(outcome: Outcome, read: Token | NotSent) -> None:
    assert read_token(outcome) == read


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Token("secret", 1))


def test_basic_takes_a_pair_as_it_is() -> None:
    assert basic("Aladdin=", "open sesame/+") == "Basic QWxhZGRpbj06b3BlbiBzZXNhbWUvKw=="
