"""Beem as USSD aggregator: commands with a payload; what was dialled is not passed on.

Source: the open client `ussd-builder` 1.3.2.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company
from sandbox.phones.handset import Ending


class _Beem(JsonWire):
    """How its messages look."""

    code = "beem"

    def ask(self, hop: Hop) -> Message:
        return self._message(hop, "initiate" if hop.is_first else "continue")

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if (answer.get("msisdn"), answer.get("session_id")) != (hop.msisdn, hop.session):
            return f"msisdn is {answer.get('msisdn')!r}, session_id {answer.get('session_id')!r}"
        if answer.get("operator") != (hop.operator or ""):
            return f"operator is {answer.get('operator')!r}"
        if answer.get("command") not in ("continue", "terminate"):
            return f"command is {answer.get('command')!r}"
        payload = answer.get("payload")
        if not isinstance(payload, dict) or payload.get("request_id") != _request_id(hop):
            return f"payload is {payload!r}"
        if not isinstance(payload.get("request"), str):
            return "request is no text"
        return Screen(payload["request"], answer["command"] == "continue")

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        return None if how == "completed" else self._message(hop, "terminate")

    def _message(self, hop: Hop, command: str) -> Message:
        operator = {} if hop.operator is None else {"operator": hop.operator}
        payload = {"request_id": _request_id(hop), "response": "" if hop.is_first else hop.typed}
        return Message(
            {"command": command, "msisdn": hop.msisdn, "session_id": hop.session, **operator, "payload": payload}
        )


def _request_id(hop: Hop) -> str:
    return f"{hop.session}-{hop.number}"


SANDBOX = company(_Beem())
