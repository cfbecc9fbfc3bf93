"""Stands in for one of our programs: answers HTTP like it, and has a child in a process group of its own.

Run as `python dummy_program.py NAME`. Writes its child's number to `<data dir>/NAME.grandchild`.
"""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Fine(BaseHTTPRequestHandler):
    """200 for everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(name: str) -> None:
    print(f"{name} speaks", flush=True)
    if name == os.environ.get("DUMMY_BROKEN"):
        sys.exit(f"{name} is broken on purpose")
    if name in ("migrate", "demo"):
        return
    grandchild = subprocess.Popen(["sleep", "600"], process_group=0)
    (Path(os.environ["SPOTLIGHT_DATA_DIR"]) / f"{name}.grandchild").write_text(str(grandchild.pid))
    stubborn = name == os.environ.get("DUMMY_STUBBORN")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: os._exit(0))
    variable = {"serve": "PORT", "sandbox": "SPOTLIGHT_SANDBOX_PORT", "witness": "SPOTLIGHT_WITNESS_PORT"}.get(name)
    if variable:
        HTTPServer(("127.0.0.1", int(os.environ[variable])), Fine).serve_forever()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
