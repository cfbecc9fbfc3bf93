"""What a process imports before it answers: a gateway that died is away for as long as that takes."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["gateway.runtime.gateway", "gateway.runtime.worker"])
def test_large_libraries_are_imported_when_they_are_needed(module: str) -> None:
    ask = f"import sys, {module}; print(*({{'aiogram', 'openpyxl', 'reportlab'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
