"""What the log of a contest calls what was done."""

import re
from pathlib import Path

import pytest

from gateway.runtime.process import pages_of_staff
from leaderboard.overlay.rules import View

WRITTEN = re.compile(r"""(?:\bact=|_change\(_[A-Z]+, |connection, person, )"([a-z]+)\.([a-z_]+)\"""")
# Of an organiser, the platform or a person's own account: no contest's log has them.
ELSEWHERE = {"account", "beneficiary", "carrier", "fees", "organiser", "reconcile"}
OF_ACCOUNTS = ("factor", "named", "password", "sessions", "signed")
# What `steps_between` of `leaderboard.overlay.rules` has.
OF_OVERLAYS = (*View, "frozen", "unfrozen", "blackout", "lit", "link", "settings")
ACTS = sorted(
    {
        found
        for package in ("admin", "payments", "gateway")
        for path in Path(package).rglob("*.py")
        for found in WRITTEN.findall(path.read_text())
        if found[0] not in ELSEWHERE and not (found[0] == "staff" and found[1].startswith(OF_ACCOUNTS))
    }
)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_log_has_words_for_every_act(language: str) -> None:
    say = pages_of_staff().say
    assert {"contest", "candidate", "fraud", "alerts", "filter"} <= {noun for noun, _ in ACTS}
    for noun, step in (*ACTS, *(("overlay", step) for step in OF_OVERLAYS)):
        assert say(language, f"admin_log_{noun}.{step}"), (noun, step)
