"""The product's worker, which writes a file when it is ready: `python -m tests.bench.proof_worker READY_FILE [real]`.

Without `real` its only provider is one whose callbacks are proof."""

import sys
from pathlib import Path
from typing import Any

from gateway.orders.wallet import PaymentMethod
from gateway.runtime import container, worker
from gateway.runtime.accounts import Account, AccountSettings
from gateway.runtime.deployment import Environment
from tests.bench.proof_provider import ProofProvider


def _with_proof(env: Environment) -> dict[str, Account]:
    return {"mtn_momo": Account("mtn_momo", ProofProvider(), AccountSettings(), {"CI": (PaymentMethod.MTN,)})}


def _serve(settings: Any) -> None:
    Path(sys.argv[1]).touch()
    _rq(settings)


_rq = worker._serve

if __name__ == "__main__":
    if "real" not in sys.argv[2:]:
        container.build_accounts = _with_proof  # type: ignore[attr-defined] # what the container calls
    worker._serve = _serve
    worker.main()
