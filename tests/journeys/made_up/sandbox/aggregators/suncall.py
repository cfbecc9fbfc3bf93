"""Suncall, simulated."""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, Message, Screen, company
from sandbox.phones.handset import Ending


class _Suncall:
    """`Wire`."""

    code = "suncall"
    answer_seconds = 10.0

    def ask(self, hop: Hop) -> Message:
        typed = {"dialled": hop.typed} if hop.is_first else {"typed": hop.typed}
        return Message({"session": hop.session, "phone": hop.msisdn, **typed})

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if not isinstance(answer.get("screen"), str) or not isinstance(answer.get("end"), bool):
            return "no screen"
        return Screen(answer["screen"], not answer["end"])

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        return None


SANDBOX = company(_Suncall())
