"""Companies that do not exist, each a file or folder on both sides and its cases, in a folder of their own: nothing
else is edited, and a vote is sold through all three of them over real HTTP."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.country import Country, until
from tests.engines import temporary_home

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parents[2]
CONTRACTS = ("test_every_collection.py", "test_every_payment_provider.py", "test_every_prober.py")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up companies, where nothing of the project is."""
    folder = tmp_path_factory.mktemp("made_up") / "companies"
    return Path(shutil.copytree(Path(__file__).with_name("made_up"), folder))


@pytest.fixture(scope="module")
def country(elsewhere: Path) -> Iterator[Country]:
    with temporary_home("spotlight-made-up-") as home:
        running = Country(
            home / "data",
            PYTHONPATH=str(elsewhere),
            SPOTLIGHT_SMS_CARRIERS="suntext",
            SPOTLIGHT_PROMPT_DELAY_SECONDS="1",
        ).start()
        try:
            yield running
        finally:
            running.stop()


def test_a_vote_through_all_three(country: Country) -> None:
    before = country.votes("07")
    phone = country.phone("+2250511990001")
    phone.dial("*789*07*5*1#", "suncall")
    assert not phone.open
    assert phone.wait_for_prompt()["payee"] == "SPOTLIGHT"
    phone.approve()
    assert "verify" in phone.wait_for_text("verify")
    until(lambda: country.votes("07") == before + 5, "five more votes")
    assert [line["amount"] for line in country.statement("sunpay")] == ["500"]
    assert country.statement("mtn_momo") == []
    for company in ("sunpay", "suntext"):
        assert country.sandbox.get(f"/requests/{company}?direction=in").raise_for_status().json()
    assert country.sandbox.get("/control/violations").json() == []


def test_a_text_by_the_carrier(country: Country) -> None:
    phone = country.phone("+2250511990002")
    phone.text("7890", "VOTE 08 3", "suntext")
    assert int(phone.wait_for_prompt()["amount"]) == 300


def test_the_operator_keeps_every_contract(elsewhere: Path) -> None:
    contracts = [str(ROOT / "tests" / "contracts" / name) for name in CONTRACTS]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "sunpay", *contracts]
    environment = {**os.environ, "PYTHONPATH": str(elsewhere)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "passed" in done.stdout
