"""Suncall, simulated."""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company


class _Suncall(JsonWire):
    """How its messages look."""

    code = "suncall"

    def ask(self, hop: Hop) -> Message:
        typed = {"dialled": hop.typed} if hop.is_first else {"typed": hop.typed}
        return Message({"session": hop.session, "phone": hop.msisdn, **typed})

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if not isinstance(answer.get("screen"), str) or not isinstance(answer.get("end"), bool):
            return "no screen"
        return Screen(answer["screen"], not answer["end"])


SANDBOX = company(_Suncall())
