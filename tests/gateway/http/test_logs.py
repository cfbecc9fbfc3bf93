import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

from gateway.http import logs
from gateway.http.logs import mask_text, one_line_for_bad_http, redact

NUMBER = "+2250501020304"


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        "2250501020304",
        "002250501020304",
        "0501020304",
        "05 01 02 03 04",
        "+225 05 01 02 03 04",
        "+225-05-01-02-03-04",
        "%2B2250501020304",
        "key 'tel:+2250501020304'",
        "[parameters: ('2250501020304', 5)]",
        "number=2250501020304&text=1",
    ],
)
def test_numbers_are_masked(text: str) -> None:
    masked = mask_text(text)
    assert "••••04" in masked
    assert "0102" not in masked.replace(" ", "").replace("-", "")


@pytest.mark.parametrize(
    "text",
    [
        "0992c792-3629-4a97-8fec-123456789012",
        "12345678-1234-1234-1234-123456789012",
        "2026-11-03T12:00:00.123456+00:00",
        "500 XOF for 10000 votes",
        "version 18.6.2, port 8081",
        "abc123456789012def",
        "3.141592653589",
    ],
)
def test_what_is_no_number_is_kept(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://x/?key=hunter22&a=1",
        "Authorization: Bearer hunter22.hunter22",
        "{'password': 'hunter22'}",
        "access_token='hunter22'",
    ],
)
def test_secrets_in_text_are_hidden(text: str) -> None:
    assert "hunter22" not in mask_text(text)


def test_secrets_are_dropped_by_name_at_any_depth() -> None:
    vote = uuid4()
    event: dict[str, Any] = {
        "event": "call",
        "vote": vote,
        "token": "t",
        "Pay-Token": "t",
        "headers": {"Authorization": "Basic x", "Accept": "json", "list": [{"pin": "0000", "n": 2250501020304}]},
    }
    assert redact(None, "info", event) == {
        "event": "call",
        "vote": vote,
        "headers": {"Accept": "json", "list": [{"n": "••••04"}]},
    }


def test_unknown_objects_are_logged_in_words_without_numbers() -> None:
    assert redact(None, "info", {"error": ValueError(NUMBER)}) == {"error": "ValueError('••••04')"}


def test_a_client_that_speaks_no_http_costs_one_line() -> None:
    fault = BadStatusLine("\x16\x03")
    record = logging.LogRecord(
        "aiohttp.server", logging.ERROR, __file__, 1, "Error handling request", (), (type(fault), fault, None)
    )
    assert one_line_for_bad_http(record)
    assert (record.exc_info, record.getMessage(), record.levelname) == (
        None,
        "bad_http_message: BadStatusLine",
        "WARNING",
    )


@pytest.fixture
def loggers() -> Iterator[None]:
    structure, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**structure)
    root.handlers[:] = handlers
    root.setLevel(level)


PROGRAM = """
import logging, sys, uuid, structlog
from gateway.http import logs
logs.set_up_logs("info", json=True)
log = structlog.get_logger("one")
logs.begin_request("request-1")
logs.bind_vote(uuid.UUID(int=7), uuid.UUID(int=8))
log.info("sold", payer="+2250501020304", amount=500)
log.debug("never")
logging.getLogger("two").warning("sent %s", "2250501020304")
logging.getLogger("httpx").info("HTTP Request: POST https://x/?token=abc")
try:
    raise ValueError("no 0501020304")
except ValueError:
    log.exception("failed")
"""


def test_every_line_is_an_object_with_the_requests_ids() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["sold", "sent ••••04", "failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    for line in lines:
        assert (line["request_id"], line["vote_id"], line["payment"]) == (
            "request-1",
            str(UUID(int=7)),
            str(UUID(int=8)),
        )
        assert line["timestamp"].endswith("Z")
    assert (lines[0]["payer"], lines[0]["amount"]) == ("••••04", 500)
    assert "ValueError: no ••••04" in lines[2]["exception"]
    assert done.stdout == ""


@pytest.mark.usefixtures("loggers")
def test_a_terminal_gets_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs("warning", json=False)
    logging.getLogger("three").warning("shown to %s", NUMBER)
    logging.getLogger("three").info("not shown")
    printed = capsys.readouterr().err
    assert "shown to ••••04" in printed
    assert "not shown" not in printed
