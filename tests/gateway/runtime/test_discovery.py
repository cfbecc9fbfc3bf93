"""Adapters are found by their files."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import payments.providers
from gateway.runtime.discovery import DiscoveryError, discover

MakePackage = Callable[..., ModuleType]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(**modules: str) -> ModuleType:
        folder = tmp_path / "some_adapters"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("some_adapters")

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("some_adapters"):
            del sys.modules[name]


def announcing(code: str, attribute: str = "REGISTRATION") -> str:
    return f"from types import SimpleNamespace\n{attribute} = SimpleNamespace(code={code!r})\n"


def test_every_module_in_order_of_codes(make_package: MakePackage) -> None:
    package = make_package(zeta=announcing("zeta"), alpha=announcing("alpha"))
    assert list(discover(package)) == ["alpha", "zeta"]
    assert discover(package)["zeta"].code == "zeta"


def test_an_empty_package_has_none(make_package: MakePackage) -> None:
    assert discover(make_package()) == {}


def test_by_another_name(make_package: MakePackage) -> None:
    package = make_package(alpha=announcing("alpha", "CARRIER"))
    with pytest.raises(DiscoveryError, match="has no REGISTRATION"):
        discover(package)


def test_a_module_that_announces_nothing_is_a_mistake(make_package: MakePackage) -> None:
    with pytest.raises(DiscoveryError, match=r"some_adapters\.alpha has no REGISTRATION"):
        discover(make_package(alpha=""))


def test_module_and_code_are_one_word(make_package: MakePackage) -> None:
    with pytest.raises(DiscoveryError, match="calls itself 'beta'"):
        discover(make_package(alpha=announcing("beta")))


def test_a_module_that_does_not_load_is_not_passed_over(make_package: MakePackage) -> None:
    with pytest.raises(ModuleNotFoundError):
        discover(make_package(alpha="import nothing_of_this_name"))


def test_the_providers_of_this_service() -> None:
    assert {"mtn_momo", "orange_money"} <= set(discover(payments.providers))
