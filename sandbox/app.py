"""The simulated country: phones, aggregators, carriers and operators in one process, over real HTTP.

It stands in for everything outside the gateway, so that the gateway runs the same code as in production.
"""

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final

import uvloop
from aiohttp import web
from dotenv import dotenv_values

import sandbox.aggregators
import sandbox.carriers
import sandbox.operators
import sandbox.services
import sandbox.telegram
from sandbox.company import Company, Context
from sandbox.control import Control
from sandbox.courier import Courier, recorder
from sandbox.crowd.api import CrowdApi
from sandbox.crowd.plan import SHARED_NETWORKS
from sandbox.mail import PostOffice
from sandbox.operators.book import Book
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import FaultBoard
from sandbox.phones.api import PhoneApi, add_page, problems_are_answers, readable_only
from sandbox.phones.faults import Channel
from sandbox.phones.handset import Phones

# Above what the largest file of any company may have.
BODY_BYTES_MAX: Final = 112 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where the country listens, keeps its books and finds the gateway.

    `mail_port`: of the mail server, 0 for any that is free. `credentials`: per company what was issued to the gateway's
    owner; absent ones are not checked.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8081
    mail_port: int = 0
    gateway_url: str = "http://127.0.0.1:8080"
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "SandboxSettings":
        """Read `SPOTLIGHT_SANDBOX_PORT`, `SPOTLIGHT_SANDBOX_MAIL_PORT`, `HOST`, `SPOTLIGHT_DATA_DIR`,
        `SPOTLIGHT_GATEWAY_URL` and each company's own names (`MTN_MOMO_API_KEY` → `mtn_momo`, `api_key`).
        Raises ValueError."""
        return cls(
            data_dir=Path(values.get("SPOTLIGHT_DATA_DIR") or ".spotlight"),
            host=values.get("HOST") or "127.0.0.1",
            port=int(values.get("SPOTLIGHT_SANDBOX_PORT") or 8081),
            mail_port=int(values.get("SPOTLIGHT_SANDBOX_MAIL_PORT") or 0),
            gateway_url=(values.get("SPOTLIGHT_GATEWAY_URL") or "http://127.0.0.1:8080").rstrip("/"),
            credentials={
                code: _issued(values, f"{code.upper()}_")
                for code in sorted(company.code for company in (*_companies(), *_operators()))
            },
        )


def _issued(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix).lower(): v for name, v in values.items() if name.startswith(prefix) and v}


def _found(package: ModuleType) -> list[Company]:
    """Companies of a package; also in the folder of the same name in any directory of `sys.path`."""
    folders = (Path(place, *package.__name__.split(".")).resolve() for place in sys.path)
    package.__path__ = list(dict.fromkeys((*package.__path__, *(str(one) for one in folders if one.is_dir()))))
    names = (f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__))
    values = (getattr(importlib.import_module(name), "SANDBOX", None) for name in names)
    return [value for value in values if isinstance(value, Company)]


def _operators() -> list[Company]:
    return _found(sandbox.operators)


def _companies() -> list[Company]:
    packages = (sandbox.aggregators, sandbox.carriers, sandbox.services)
    found = [*(company for package in packages for company in _found(package)), sandbox.telegram.SANDBOX]
    return sorted(found, key=lambda company: company.code)


def demo_environment(country: str, gateway: str) -> dict[str, str]:
    """What a gateway is configured with to meet every company and the crowd. `country`, `gateway`: addresses without a
    trailing slash."""
    values: dict[str, str] = {}
    accounts: list[str] = []
    for company in (*_operators(), *_companies()):
        values |= company.demo_environment(country, gateway)
        accounts += [f"{company.code}@{name}" for name in company.accounts]
    return {
        **values,
        "SPOTLIGHT_ACCOUNTS": ",".join(accounts),
        "SPOTLIGHT_SHARED_NETWORKS": ",".join(SHARED_NETWORKS),
    }


def create_sandbox(settings: SandboxSettings) -> web.Application:
    """Build the whole country. Raises sqlite3.Error when its books cannot be opened."""
    operators, companies = _operators(), _companies()
    codes = [operator.code for operator in operators]
    courier, channel, board = Courier(), Channel(), FaultBoard(codes)
    data_dir = settings.data_dir / "sandbox"
    book = Book(data_dir / "operators.sqlite")
    phones = Phones(channel, courier)
    everyone = frozenset((*codes, *(company.code for company in companies)))
    app = web.Application(
        middlewares=[readable_only, recorder(courier, everyone), problems_are_answers], client_max_size=BODY_BYTES_MAX
    )
    app.cleanup_ctx.append(courier.running)
    for company in (*operators, *companies):
        issued = settings.credentials.get(company.code, {})
        given = (company.code, phones, channel, courier, settings.gateway_url, issued, data_dir)
        context = OperatorContext(*given, book, board) if company in operators else Context(*given)
        app.add_subapp(f"/{company.code}", company.build(context))

    def wallets(msisdn: str) -> dict[str, int]:
        return {code: book.balance(code, msisdn, board.of(code).default_balance) for code in codes}

    async def close_book(_: web.Application) -> None:
        book.close()

    app.add_subapp("/phones", PhoneApi(phones, courier, wallets).application())
    Control(book, board, channel, courier, codes).add_routes(app.router)
    CrowdApi(settings.gateway_url).add_to(app)
    PostOffice(settings.host, settings.mail_port).add_to(app)
    add_page(app)
    app.on_cleanup.append(close_book)
    return app


def main() -> None:
    """Run until interrupted. Raises ValueError for an environment that cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    written = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    settings = SandboxSettings.from_environment({**written, **os.environ})
    uvloop.install()
    web.run_app(create_sandbox(settings), host=settings.host, port=settings.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
