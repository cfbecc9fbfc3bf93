"""Arkesel as USSD aggregator: `newSession` on the way in, `continueSession` on the way back.

Source: the open simulators `bensonOSei/ussd-simulator` and `kurtiz/ussd-simulator`.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company

_ACCOUNT = "USSD_1"


class _Arkesel(JsonWire):
    """How its messages look."""

    code = "arkesel"

    def ask(self, hop: Hop) -> Message:
        operator = {} if hop.operator is None else {"network": hop.operator}
        return Message(
            {
                "sessionID": hop.session,
                "userID": _ACCOUNT,
                "newSession": hop.is_first,
                "msisdn": hop.msisdn,
                "userData": hop.typed,
                **operator,
            }
        )

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        for name, sent in (("sessionID", hop.session), ("userID", _ACCOUNT), ("msisdn", hop.msisdn)):
            if answer.get(name) != sent:
                return f"{name} is {answer.get(name)!r}"
        if not isinstance(answer.get("message"), str):
            return "message is no text"
        if not isinstance(answer.get("continueSession"), bool):
            return f"continueSession is {answer.get('continueSession')!r}"
        return Screen(answer["message"], answer["continueSession"])


SANDBOX = company(_Arkesel())
