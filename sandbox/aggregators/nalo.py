"""Nalo as USSD aggregator: `MSGTYPE` says first or later on the way in, go on or end on the way back.

Source: Nalo's USSD API page and the open client `advanced-ussd-builder` 2.4.5.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company

_ACCOUNT = "NALOTest"


class _Nalo(JsonWire):
    """How its messages look."""

    code = "nalo"

    def ask(self, hop: Hop) -> Message:
        operator = {} if hop.operator is None else {"NETWORK": hop.operator.upper()}
        return Message(
            {
                "USERID": _ACCOUNT,
                "MSISDN": hop.msisdn,
                "USERDATA": hop.typed,
                "MSGTYPE": hop.is_first,
                **operator,
                "SESSIONID": hop.session,
            }
        )

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if (answer.get("USERID"), answer.get("MSISDN")) != (_ACCOUNT, hop.msisdn):
            return f"USERID is {answer.get('USERID')!r}, MSISDN {answer.get('MSISDN')!r}"
        if not isinstance(answer.get("MSG"), str):
            return "MSG is no text"
        if not isinstance(answer.get("MSGTYPE"), bool):
            return f"MSGTYPE is {answer.get('MSGTYPE')!r}"
        return Screen(answer["MSG"], answer["MSGTYPE"])


SANDBOX = company(_Nalo())
