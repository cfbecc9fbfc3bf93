"""Hubtel as USSD aggregator: numbered hops, the dialled string in `Message`, notices when it is over.

Source: developers.hubtel.com, API reference of Programmable Services, and Hubtel's .NET SDK.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company
from sandbox.phones.handset import Ending

_NOTICES = {"hung_up": "Release", "failed": "Release", "timed_out": "Timeout"}
_ANSWER_TEXTS = ("Message", "Label", "DataType", "FieldType")


class _Hubtel(JsonWire):
    """How its messages look."""

    code = "hubtel"
    answer_seconds = 5.0

    def ask(self, hop: Hop) -> Message:
        return self._message(hop, "Initiation" if hop.is_first else "Response")

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if answer.get("SessionId") != hop.session:
            return f"SessionId is {answer.get('SessionId')!r}"
        if wrong := [name for name in _ANSWER_TEXTS if not isinstance(answer.get(name), str)]:
            return f"{wrong[0]} is no text"
        if answer.get("Type") not in ("Response", "Release"):
            return f"Type is {answer.get('Type')!r}"
        return Screen(answer["Message"], answer["Type"] == "Response")

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        return self._message(hop, _NOTICES[how]) if how in _NOTICES else None

    def _message(self, hop: Hop, kind: str) -> Message:
        operator = {} if hop.operator is None else {"Operator": hop.operator.lower()}
        return Message(
            {
                "Type": kind,
                "Mobile": hop.msisdn,
                "SessionId": hop.session,
                "ServiceCode": hop.service_code.strip("*#"),
                "Message": hop.typed,
                **operator,
                "Sequence": hop.number,
                "ClientState": (hop.answered or {}).get("ClientState", ""),
                "Platform": "USSD",
            }
        )


SANDBOX = company(_Hubtel())
