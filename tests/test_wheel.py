"""What the wheel holds: the service, and nothing that only imitates the world around it."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_the_five_packages_and_no_simulated_country(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"gateway", "channels", "payments", "leaderboard", "admin"}
    assert "gateway/storage/migrations/versions/m0001_first_schema.sql" in names
    assert {f"leaderboard/log/kit/{name}" for name in ("recount.py", "README.txt")} <= set(names)
