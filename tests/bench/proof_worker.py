"""The product's worker with one more provider: `python -m tests.bench.proof_worker READY_FILE`."""

import sys
from pathlib import Path
from typing import Any

import payments.providers
from gateway import jobs, wiring
from tests.bench.proof_provider import ProofProvider

_build = wiring.build_adapters


def _with_proof(package: Any) -> dict[str, Any]:
    return {"mtn_momo": ProofProvider()} if package is payments.providers else _build(package)


def _serve(settings: Any) -> None:
    Path(sys.argv[1]).touch()
    _rq(settings)


_rq = jobs._serve

if __name__ == "__main__":
    wiring.build_adapters = _with_proof
    jobs._serve = _serve
    jobs.main()
