"""What every test would do again at great cost is done once a process, or with less work.

Templates are compiled, phrases read, static files packed, addresses described, schemas of models made and pictures
resized once, connections to a database are kept, what is written waits for nothing else that would share its commit,
and passwords are hashed with weak parameters; tests of hashing and resizing themselves ask for `real_passwords` and
`real_resizing`.
"""

import gzip
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Final

import asyncpg
import jinja2
import pytest
from argon2 import PasswordHasher
from jinja2.bccache import Bucket
from pydantic.json_schema import models_json_schema
from structlog.dev import ConsoleRenderer, plain_traceback

from admin.access import passwords
from channels.messages import outbox
from gateway.contests.pictures import resize_apart
from gateway.contests.pictures.resizing import PhotoFault, PhotoRefused, Resized, Shape
from gateway.http import openapi, pages, phrases, static_files
from gateway.http.endpoint import Spec
from gateway.orders import store as orders
from payments.collection import callbacks
from payments.collection import store as payments
from tests.kept import KEPT

_STRONG: Final = passwords._HASHER
_RESIZE: Final = resize_apart._resize
_OPERATION: Final = openapi._operation
_WEAK: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Compiled templates by name and content: in memory, and in a directory that all processes of a run share."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(str(directory))
        self._kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        name = bucket.key, bucket.checksum
        if name not in self._kept:
            super().load_bytecode(bucket)
            if bucket.code is None:
                return
            self._kept[name] = bucket.code
        bucket.code = self._kept[name]

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._kept[bucket.key, bucket.checksum] = bucket.code
        super().dump_bytecode(bucket)


class ResizedPictures:
    """The files of pictures by their bytes, or why they were refused."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, Shape], Resized | PhotoFault] = {}

    async def resize(self, data: bytes, shape: Shape) -> Resized:
        name = sha256(data).digest(), shape
        if name not in self._kept:
            try:
                self._kept[name] = await _RESIZE(data, shape)
            except PhotoRefused as refused:
                self._kept[name] = refused.fault
        found = self._kept[name]
        if isinstance(found, PhotoFault):
            raise PhotoRefused(found)
        return found


class Described:
    """What the OpenAPI document has of an address. With each its parts, so that nothing else gets their identity."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, int, int], tuple[Spec, openapi.References, openapi.Json]] = {}

    def operation(self, address: str, method: str, spec: Spec, references: openapi.References) -> openapi.Json:
        name = address, method, id(spec), id(references)
        if name not in self._kept:
            self._kept[name] = spec, references, _OPERATION(address, method, spec, references)
        return self._kept[name][2]


def gather_nothing(patch: pytest.MonkeyPatch) -> None:
    """What is written waits for nothing else that would share its commit: a test writes one thing after the other."""
    patch.setattr(orders, "APART_SECONDS", 0.0)
    patch.setattr(callbacks, "APART_SECONDS", 0.0)
    patch.setattr(payments, "APART_SECONDS", 0.0)
    patch.setattr(outbox, "REPORTS_APART_SECONDS", 0.0)


@pytest.fixture(scope="session", autouse=True)
def cheaper(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """For all tests of this process."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    made = cache(lambda models, ref_template: models_json_schema(list(models), ref_template=ref_template))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages.Pages, "bytecode_cache", CompiledTemplates(shared / "templates"))
        patch.setattr(openapi, "models_json_schema", lambda models, ref_template: made(tuple(models), ref_template))
        patch.setattr(openapi, "_fields", cache(openapi._fields))
        patch.setattr(openapi, "_operation", Described().operation)
        patch.setattr(pages, "load", cache(phrases.load))
        patch.setattr(pages, "kept_together", cache(pages.kept_together))
        patch.setattr(static_files, "squeeze", cache(static_files.squeeze))
        patch.setattr(static_files, "strip", cache(static_files.strip))
        patch.setattr(static_files, "gzip", SimpleNamespace(compress=cache(gzip.compress)))
        patch.setattr(passwords, "_HASHER", _WEAK)
        patch.setattr(resize_apart, "_resize", ResizedPictures().resize)
        patch.setattr(asyncpg, "connect", KEPT.connect)
        gather_nothing(patch)
        # Coloured tracebacks with the values of all variables take half a second each; production has plain ones.
        patch.setattr(ConsoleRenderer.get_active(), "exception_formatter", plain_traceback)
        yield
    KEPT.close()


@pytest.fixture
def real_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes as strong as in production."""
    monkeypatch.setattr(passwords, "_HASHER", _STRONG)


@pytest.fixture
def real_resizing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for each picture, as in production."""
    monkeypatch.setattr(resize_apart, "_resize", _RESIZE)
