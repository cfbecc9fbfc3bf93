"""What a process imports before it answers: a gateway that died is away for as long as that takes."""

import subprocess
import sys

import pytest

from gateway.http.pages import Pages

LARGE = {"aiogram", "alembic", "openpyxl", "reportlab", "xlsxwriter"}


@pytest.mark.parametrize(("command", "role"), [("serve", "gateway"), ("worker", "worker")])
def test_a_process_imports_large_libraries_when_it_needs_them_and_collects_no_garbage_until_it_works(
    command: str, role: str
) -> None:
    ask = f"""
import gc, sys
from gateway.cli import main
from gateway.runtime import process, {role} as role
main.running_settings = lambda: None
role.main = lambda: print(gc.isenabled(), process.freeze_garbage(), gc.isenabled(), *({LARGE} & sys.modules.keys()))
main.{command}()
"""
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "None", "True"]


def test_every_template_compiles_though_none_is_compiled_at_the_start() -> None:
    pages = Pages()
    for package in ("leaderboard", "channels.web", "admin"):
        pages.add(package)
    names = pages.environment.list_templates()
    assert len(names) > 30
    assert pages.environment.cache is not None
    assert len(pages.environment.cache) == 0
    for name in names:
        pages.environment.get_template(name)
