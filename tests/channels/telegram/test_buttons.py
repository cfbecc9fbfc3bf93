"""What buttons carry: short enough, and believed in no other form."""

import pytest
from aiogram.filters.callback_data import CallbackData
from pydantic import ValidationError

from channels.telegram import buttons
from channels.telegram.buttons import BYTES_MAX, METHODS
from gateway.orders.wallet import PaymentMethod

TAG, CODE, COUNT, PAYER = "f" * 12, "9" * 12, 9_999_999, "9" * 15
LONGEST: list[CallbackData] = [
    buttons.OpenContest(contest=TAG),
    buttons.OpenPeople(contest=TAG, page=9_999, here=True),
    buttons.OpenCard(contest=TAG, code=CODE),
    buttons.OpenRanking(contest=TAG, here=True),
    buttons.OpenRules(contest=TAG),
    buttons.OpenMenu(what="languages"),
    buttons.ChooseLanguage(language="wes"),
    buttons.ChooseCount(contest=TAG, code=CODE, count=COUNT),
    buttons.TypeCount(contest=TAG, code=CODE),
    buttons.ChooseWallet(contest=TAG, code=CODE, count=COUNT, wallet="m", payer=PAYER, price=10**9),
    buttons.TypePayer(contest=TAG, code=CODE, count=COUNT),
    buttons.Pay(contest=TAG, code=CODE, count=COUNT, wallet="m", payer=PAYER, price=10**9),
    buttons.PayUnpriced(contest=TAG, code=CODE, count=COUNT, wallet="m", payer=PAYER),
    buttons.Cancel(contest=TAG),
]


@pytest.mark.parametrize("data", LONGEST, ids=lambda data: type(data).__name__)
def test_the_longest_data_fits_and_comes_back(data: CallbackData) -> None:
    packed = data.pack()
    assert len(packed.encode()) <= BYTES_MAX
    assert type(data).unpack(packed) == data


def test_every_kind_is_measured_and_has_a_prefix_of_its_own() -> None:
    kinds = {kind for kind in vars(buttons).values() if isinstance(kind, type) and issubclass(kind, CallbackData)}
    assert kinds - {CallbackData, buttons.OfContest, buttons.OfCandidate} == {type(data) for data in LONGEST}
    # What an earlier button held is told apart by its length.
    assert len({data.__prefix__ for data in LONGEST}) == len(LONGEST) - 1


def test_every_method_has_a_letter() -> None:
    assert set(METHODS) == {method.letter for method in PaymentMethod}
    assert set(METHODS.values()) == set(PaymentMethod)


@pytest.mark.parametrize(
    "forged",
    [
        "y",
        "y:",
        "y:0b0000000000:07:5:m",
        "y:0b0000000000:07:5:m:me:more",
        "y:0b0000000000:07:0:m:me",
        "y:0b0000000000:07:-5:m:me",
        "y:0b0000000000:07:99999999:m:me",
        "y:0b0000000000:07:1e9:m:me",
        "y:0b0000000000:7:5:m:me",
        "y:0b0000000000:07':5:m:me",
        "y:0b0000000000:07:5:z:me",
        "y:0b0000000000:07:5:m:you",
        "y:0b0000000000:07:5:m:me\n",
        "y:0B0000000000:07:5:m:me",
        "y:../../etc/pwd:07:5:m:me",
        "x:0b0000000000:07:5:m:me",
    ],
)
def test_what_we_would_not_have_written_is_no_button(forged: str) -> None:
    for kind, data in ((buttons.Pay, f"{forged}:100"), (buttons.PayUnpriced, forged)):
        with pytest.raises((TypeError, ValueError, ValidationError)):
            kind.unpack(data)
