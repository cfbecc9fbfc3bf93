"""`spotlight up` over real engines, with dummy programs in the place of ours. Run as a program."""

import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.cli.failures import report_failures
from gateway.cli.main import app
from gateway.cli.up import up


def dummy(name: str) -> Sequence[str]:
    return sys.executable, str(Path(__file__).with_name("dummy_program.py")), name


@app.command("dummy-service")
def dummy_processes() -> None:
    """Bring the service up with dummies."""
    with report_failures():
        sys.exit(up(dummy))


if __name__ == "__main__":
    app(["dummy-service"])
