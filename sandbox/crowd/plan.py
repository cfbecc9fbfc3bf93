"""What a crowd will do: who votes, when, by which channel, for whom, how often, and what happens at the PIN.

Pure: the same stage, size, length and seed give the same plan. The shares are guesses of what an evening looks like:
most people vote once, some often; a presenter's calls make peaks; favourites take most; about one in five does not pay.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

T = TypeVar("T")


class Channel(StrEnum):
    """How a voter reaches the contest."""

    USSD = "ussd"
    SMS = "sms"
    TELEGRAM = "telegram"
    WEB = "web"
    API = "api"


class Wallet(StrEnum):
    """What a voter pays with, in the words of the public API."""

    MTN = "MTN_MOBILE_MONEY"
    ORANGE = "ORANGE_MONEY"
    MOOV = "MOOV_MONEY"
    WAVE = "WAVE"
    CARD = "CARD"


class Ending(StrEnum):
    """What the voter does once asked for money. `EMPTY`: approves, and the wallet holds too little; `MISTYPES`: a wrong
    PIN, then the right one; `LEAVES`: ends the dialogue before anything is ordered."""

    PAYS = "pays"
    MISTYPES = "mistypes"
    DECLINES = "declines"
    IGNORES = "ignores"
    EMPTY = "empty"
    WRONG_PIN = "wrong_pin"
    LEAVES = "leaves"


class Group(StrEnum):
    """Why somebody votes. `FAN`: again and again; `BURST`: many from one address; `BLOCK`: numbers bought in a row."""

    HONEST = "honest"
    FAN = "fan"
    BURST = "burst"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Stage:
    """The contest that is voted in. `country`: CI or CM; `candidates`: codes of those who may get votes."""

    slug: str
    country: str
    service_code: str
    short_code: str
    keyword: str
    candidates: tuple[str, ...]
    quantity_max: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to vote. `at`: seconds from the start; `address`: whence a web request comes; `person`: of the voter,
    from 0 on, the same for all tries of a fan."""

    at: float
    group: Group
    channel: Channel
    wallet: Wallet
    msisdn: str
    candidate: str
    votes: int
    ending: Ending
    address: str
    person: int

    @property
    def by_page(self) -> bool:
        """Whether the payer approves on a page of the operator, where there is no PIN to get wrong."""
        return self.wallet in (Wallet.WAVE, Wallet.CARD) or (
            self.wallet is Wallet.ORANGE and self.msisdn.startswith("+225")
        )


Weights = Mapping[T, float]

_CHANNELS: Final[Weights[Channel]] = MappingProxyType(
    {Channel.USSD: 50, Channel.SMS: 15, Channel.TELEGRAM: 7, Channel.WEB: 20, Channel.API: 8}
)
# Beginnings of numbers by network; the rest are seven or eight digits.
_PREFIXES: Final[Mapping[str, Mapping[Wallet, str]]] = MappingProxyType(
    {
        "CI": {Wallet.MTN: "+22505", Wallet.ORANGE: "+22507", Wallet.MOOV: "+22501"},
        "CM": {Wallet.MTN: "+23767", Wallet.ORANGE: "+23769"},
    }
)
_REST: Final = MappingProxyType({"CI": 8, "CM": 7})
_WALLETS: Final[Mapping[str, Weights[Wallet]]] = MappingProxyType(
    {"CI": {Wallet.MTN: 45, Wallet.ORANGE: 40, Wallet.MOOV: 15}, "CM": {Wallet.MTN: 60, Wallet.ORANGE: 40}}
)
# On the web one may choose another way to pay than the number's own.
_WEB_ONLY: Final[Mapping[str, Weights[Wallet]]] = MappingProxyType({"CI": {Wallet.WAVE: 25, Wallet.CARD: 8}, "CM": {}})
_ENDINGS: Final[Weights[Ending]] = MappingProxyType(
    {
        Ending.PAYS: 79,
        Ending.MISTYPES: 3,
        Ending.DECLINES: 5,
        Ending.IGNORES: 4,
        Ending.EMPTY: 4,
        Ending.WRONG_PIN: 1,
        Ending.LEAVES: 4,
    }
)
_VOTES: Final[Weights[int]] = MappingProxyType({1: 42, 2: 16, 3: 10, 5: 16, 10: 10, 20: 4, 50: 1.5, 100: 0.5})
# Fewer are not worth a card's fee, so they are refused. Who orders more by text is asked again.
_CARD_VOTES_MIN: Final = 10
_TEXT_VOTES_MAX: Final = 20
# Moov's numbers that end so are for tests of its code.
_OF_TESTS: Final = "77"
_TAIL: Final = 0.9  # exponent of the long tail of favourites
# The presenter calls: at which share of the evening, and how loud against the others.
_CALLS: Final = ((0.15, 2.0), (0.5, 3.0), (0.85, 5.0))
_CALLED_SHARE: Final = 0.6
_CALL_LASTS: Final = 0.04  # share of the evening in which two thirds of those who were called have voted
_PERFORMER_SHARE: Final = 0.4
_FAN_SHARE: Final = 0.03
_FAN_TRIES: Final = (2, 6)
_FAN_SECONDS: Final = 20.0  # a dialogue, its prompt and its PIN take longer than this
_CHEAT_SHARE: Final = 0.02  # of the crowd in the burst, and as many in the block
_CHEATS_LEAST: Final = 20
_CHEATED_CROWD_LEAST: Final = 200
_CHEATED_IN: Final = 0.08  # share of the evening
_CHEATED_VOTES: Final = 10
_BEHIND_ONE_ADDRESS: Final = 60
_AT_HOME: Final = 0.5
# Carriers' networks in Côte d'Ivoire and Cameroon, behind whose addresses are many; and one of a rented server.
_SHARED: Final = MappingProxyType({"CI": "160.154.10", "CM": "129.0.10"})
SHARED_NETWORKS: Final = tuple(f"{network}.0/24" for network in _SHARED.values())
_HOMES: Final = MappingProxyType({"CI": "196.47", "CM": "154.72"})
_SERVER: Final = "45.95.168.20"


def make_plan(stage: Stage, voters: int, seconds: float, seed: int) -> list[Attempt]:
    """Every try of a crowd of so many voters within so many seconds, in order of time.

    Fans try several times, so there are some more tries than voters. A burst and a block of bought numbers are part of
    a crowd of 200 and more. Raises ValueError for a contest without candidates, or in a country without a crowd.
    """
    if not stage.candidates or stage.country not in _PREFIXES:
        raise ValueError(f"a crowd needs candidates, and one of the countries {', '.join(_PREFIXES)}")
    cheats = max(_CHEATS_LEAST, round(voters * _CHEAT_SHARE)) if voters >= _CHEATED_CROWD_LEAST else 0
    crowd, honest = _Crowd(stage, voters, seconds, seed), voters - 2 * cheats
    plan = [attempt for person in range(honest) for attempt in crowd.honest(person)]
    if cheats:
        plan += crowd.burst(range(honest, honest + cheats))
        plan += crowd.block(range(honest + cheats, voters))
    return sorted(plan, key=lambda attempt: attempt.at)


class _Crowd:
    """Draws voters, one after the other."""

    def __init__(self, stage: Stage, voters: int, seconds: float, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - nothing secret is drawn
        self._stage = stage
        self._seconds = seconds
        self._given: set[str] = set()
        self._carrier = [f"{_SHARED[stage.country]}.{1 + n % 250}" for n in range(1 + voters // _BEHIND_ONE_ADDRESS)]
        order = self._dice.sample(stage.candidates, len(stage.candidates))
        self._favourites = {code: 1 / rank**_TAIL for rank, code in enumerate(order, start=1)}
        self._performers = [self._drawn(self._favourites) for _ in _CALLS]

    def honest(self, person: int) -> Iterable[Attempt]:
        """One voter's tries."""
        dice, country = self._dice, self._stage.country
        at, call = self._moment()
        performs = call is not None and dice.random() < _PERFORMER_SHARE
        candidate = self._performers[call] if call is not None and performs else self._drawn(self._favourites)
        channel, own = self._drawn(_CHANNELS), self._drawn(_WALLETS[country])
        on_the_web, others = channel in (Channel.WEB, Channel.API), _WEB_ONLY[country]
        elsewhere = on_the_web and dice.random() * 100 < sum(others.values())
        wallet = self._drawn(others) if elsewhere else own
        votes = max(self._drawn(_VOTES), _CARD_VOTES_MIN if wallet is Wallet.CARD else 1)
        votes = min(votes, _TEXT_VOTES_MAX if channel is Channel.SMS else votes, self._stage.quantity_max)
        first = Attempt(
            at=at,
            group=Group.HONEST,
            channel=channel,
            wallet=wallet,
            msisdn=self._number(own),
            candidate=candidate,
            votes=votes,
            ending=self._drawn(_ENDINGS),
            address=self._address(),
            person=person,
        )
        again = []
        # A chat that knows its number asks other questions.
        if channel is not Channel.TELEGRAM and dice.random() < _FAN_SHARE:
            for _ in range(dice.randint(*_FAN_TRIES)):
                at += _FAN_SECONDS + dice.expovariate(1 / _FAN_SECONDS)
                if at < self._seconds:
                    # The same text soon after is taken for a repeated one, and answered with what to dial.
                    way = Channel.USSD if channel is Channel.SMS else channel
                    again.append(replace(first, at=at, group=Group.FAN, channel=way, ending=Ending.PAYS))
        # Who votes again has paid: a number that did not pay is asked again a minute later at the earliest.
        yield _possible(replace(first, ending=Ending.PAYS) if again else first)
        yield from again

    def burst(self, people: Iterable[int]) -> Iterable[Attempt]:
        """As many votes for one candidate from one address, within seconds."""
        return self._cheats({person: self._number(Wallet.MTN) for person in people}, Group.BURST, Channel.API, 0.4)

    def block(self, people: Iterable[int]) -> Iterable[Attempt]:
        """The same from numbers that follow one another, by text."""
        first = self._dice.randrange(10 ** (_REST[self._stage.country] - 1))
        row = {person: self._named(Wallet.MTN, first + n) for n, person in enumerate(people)}
        return self._cheats(row, Group.BLOCK, Channel.SMS, 0.6)

    def _cheats(
        self, people: Mapping[int, str], group: Group, channel: Channel, from_share: float
    ) -> Iterable[Attempt]:
        candidate = self._dice.choice(self._stage.candidates)
        for person, msisdn in people.items():
            at = (from_share + self._dice.random() * _CHEATED_IN) * self._seconds
            yield Attempt(
                at=at,
                group=group,
                channel=channel,
                wallet=Wallet.MTN,
                msisdn=msisdn,
                candidate=candidate,
                votes=min(_CHEATED_VOTES, self._stage.quantity_max),
                ending=Ending.PAYS,
                address=_SERVER,
                person=person,
            )

    def _drawn(self, weights: Weights[T]) -> T:
        return self._dice.choices(list(weights), list(weights.values()))[0]

    def _moment(self) -> tuple[float, int | None]:
        """When somebody votes, and by which call if by one."""
        if self._dice.random() >= _CALLED_SHARE:
            return self._dice.random() * self._seconds, None
        call = self._dice.choices(range(len(_CALLS)), [loud for _, loud in _CALLS])[0]
        at = _CALLS[call][0] + self._dice.expovariate(1 / _CALL_LASTS)
        return min(at, 1.0) * self._seconds, call

    def _number(self, wallet: Wallet) -> str:
        """A number of this wallet's network that was not given out yet."""
        while True:
            found = self._named(wallet, self._dice.randrange(10 ** _REST[self._stage.country]))
            if found not in self._given and not found.endswith(_OF_TESTS):
                self._given.add(found)
                return found

    def _named(self, wallet: Wallet, rest: int) -> str:
        country = self._stage.country
        return f"{_PREFIXES[country][wallet]}{rest:0{_REST[country]}d}"

    def _address(self) -> str:
        """Half come from a carrier's few addresses, which stand for many each; half from a home's own."""
        dice, country = self._dice, self._stage.country
        if dice.random() < _AT_HOME:
            return f"{_HOMES[country]}.{dice.randrange(256)}.{1 + dice.randrange(254)}"
        return dice.choice(self._carrier)


def _possible(attempt: Attempt) -> Attempt:
    """With an ending that can be on its channel and by its wallet."""
    ending = attempt.ending
    if ending is Ending.LEAVES and attempt.channel is not Channel.USSD:
        ending = Ending.IGNORES
    if attempt.by_page and ending in (Ending.MISTYPES, Ending.WRONG_PIN, Ending.EMPTY):
        ending = Ending.DECLINES
    return replace(attempt, ending=ending)
