"""The plan of a crowd: people as they are, the same for the same seed."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest

from sandbox.crowd.plan import Attempt, Channel, Ending, Group, Stage, Wallet, make_plan

STAR = Stage("star", "CI", "*789#", "7890", "STAR", tuple(f"{n:02d}" for n in range(1, 13)), 10_000)
MBOA = replace(STAR, slug="mboa", country="CM")
SECONDS = 300.0


@pytest.fixture(scope="module")
def plan() -> list[Attempt]:
    return make_plan(STAR, 2000, SECONDS, 7)


def test_the_same_seed_is_the_same_crowd(plan: list[Attempt]) -> None:
    assert make_plan(STAR, 2000, SECONDS, 7) == plan
    assert make_plan(STAR, 2000, SECONDS, 8) != plan
    assert [attempt.at for attempt in plan] == sorted(attempt.at for attempt in plan)
    assert all(0 <= attempt.at <= SECONDS for attempt in plan)
    assert {attempt.person for attempt in plan} == set(range(2000))


def test_people_on_every_channel_end_in_every_way(plan: list[Attempt]) -> None:
    assert {attempt.channel for attempt in plan} == {*Channel}
    assert {attempt.wallet for attempt in plan} == {*Wallet}
    assert {attempt.ending for attempt in plan} == {*Ending}
    assert {attempt.group for attempt in plan} == {*Group}
    paid = sum(attempt.ending in (Ending.PAYS, Ending.MISTYPES) for attempt in plan)
    assert 0.75 < paid / len(plan) < 0.9


def test_favourites_take_most_and_calls_make_peaks(plan: list[Attempt]) -> None:
    votes = Counter(attempt.candidate for attempt in plan if attempt.group is Group.HONEST)
    (_, first), *_, (_, last) = votes.most_common()
    assert set(votes) == set(STAR.candidates)
    assert first > 5 * last
    by_tenth = Counter(int(attempt.at // 15) for attempt in plan)
    assert max(by_tenth.values()) > 4 * len(plan) / 20


def test_a_number_is_one_person_with_a_wallet_of_its_network(plan: list[Attempt]) -> None:
    people = defaultdict(set)
    for attempt in plan:
        people[attempt.msisdn].add(attempt.person)
        own = {"05": Wallet.MTN, "07": Wallet.ORANGE, "01": Wallet.MOOV}[attempt.msisdn[4:6]]
        assert attempt.wallet is own or (
            attempt.wallet in (Wallet.WAVE, Wallet.CARD) and attempt.channel in (Channel.WEB, Channel.API)
        )
        assert len(attempt.msisdn) == len("+2250501020304")
        assert 1 <= attempt.votes <= STAR.quantity_max
    assert {len(found) for found in people.values()} == {1}


def test_each_ending_can_happen(plan: list[Attempt]) -> None:
    for attempt in plan:
        if attempt.ending is Ending.LEAVES:
            assert attempt.channel is Channel.USSD
        if attempt.by_page:
            assert attempt.ending in (Ending.PAYS, Ending.DECLINES, Ending.IGNORES, Ending.LEAVES)
        if attempt.channel is Channel.SMS:
            assert attempt.votes <= 20, "more are asked about again"
        if attempt.wallet is Wallet.CARD:
            assert attempt.votes >= 10, "fewer are not sold by card"


def test_a_fan_waits_until_the_phone_is_free(plan: list[Attempt]) -> None:
    of_fans = defaultdict(list)
    fans = {attempt.person for attempt in plan if attempt.group is Group.FAN}
    for attempt in plan:
        if attempt.person in fans:
            of_fans[attempt.person].append(attempt)
    assert fans
    for tries in of_fans.values():
        assert len({(one.msisdn, one.candidate, one.votes) for one in tries}) == 1
        assert sum(one.channel is Channel.SMS for one in tries) <= 1, "a text soon after the same one is a repeated one"
        assert all(later.at - earlier.at >= 20 for earlier, later in pairwise(tries))


def test_the_cheats(plan: list[Attempt]) -> None:
    burst = [attempt for attempt in plan if attempt.group is Group.BURST]
    block = [attempt for attempt in plan if attempt.group is Group.BLOCK]
    for cheats in (burst, block):
        assert len(cheats) == 40
        assert len({(one.candidate, one.votes, one.ending) for one in cheats}) == 1
        assert max(one.at for one in cheats) - min(one.at for one in cheats) < 30
    assert len({one.address for one in burst}) == 1
    numbers = sorted(int(one.msisdn) for one in block)
    assert numbers == list(range(numbers[0], numbers[0] + 40))
    assert {attempt.group for attempt in make_plan(STAR, 199, SECONDS, 7)} <= {Group.HONEST, Group.FAN}


def test_no_honest_address_stands_for_a_tenth_of_the_crowd(plan: list[Attempt]) -> None:
    addresses = Counter(attempt.address for attempt in plan if attempt.group in (Group.HONEST, Group.FAN))
    assert 20 < max(addresses.values()) < 200


def test_another_country_has_its_own_numbers_and_wallets() -> None:
    plan = make_plan(MBOA, 300, SECONDS, 7)
    assert {attempt.wallet for attempt in plan} == {Wallet.MTN, Wallet.ORANGE}
    assert {attempt.msisdn[:6] for attempt in plan} == {"+23767", "+23769"}
    assert {len(attempt.msisdn) for attempt in plan} == {len("+237671110001")}


@pytest.mark.parametrize("stage", [replace(STAR, candidates=()), replace(STAR, country="FR")])
def test_a_contest_without_a_crowd(stage: Stage) -> None:
    with pytest.raises(ValueError, match="a crowd needs candidates"):
        make_plan(stage, 10, SECONDS, 7)


def test_a_contest_that_sells_few_at_once() -> None:
    assert max(attempt.votes for attempt in make_plan(replace(STAR, quantity_max=3), 400, SECONDS, 7)) == 3
