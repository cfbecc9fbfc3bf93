"""Infobip as USSD aggregator: an address for each step of a session, a notice after every session.

Source: the open integrations `vumi` (`transports/infobip`) and `lemuel-addy/USSD-Simulator`. POST was
seen for the start; PUT is used for the further steps, so that both are driven.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aggregators.json_line import Hop, JsonWire, Message, Screen, company
from sandbox.phones.handset import Ending

_REASONS = {
    "completed": (200, ""),
    "hung_up": (600, "Cancelled by user"),
    "timed_out": (500, "Session timed out"),
    "failed": (500, "Application failed"),
}


class _Infobip(JsonWire):
    """How its messages look."""

    code = "infobip"

    def ask(self, hop: Hop) -> Message:
        operator = {} if hop.operator is None else {"networkName": hop.operator}
        fields = {
            "msisdn": hop.msisdn,
            "text": hop.typed,
            "shortCode": hop.service_code,
            **operator,
            "optional": "",
            "ussdNodeId": "live2",
        }
        if hop.is_first:
            return Message(fields, f"/session/{hop.session}/start")
        return Message(fields, f"/session/{hop.session}/response", "PUT")

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        if answer.get("responseExitCode") != 200 or not isinstance(answer.get("responseMessage"), str):
            return f"responseExitCode is {answer.get('responseExitCode')!r}"
        if not isinstance(answer.get("ussdMenu"), str):
            return "ussdMenu is no text"
        if not isinstance(answer.get("shouldClose"), bool):
            return f"shouldClose is {answer.get('shouldClose')!r}"
        return Screen(answer["ussdMenu"], not answer["shouldClose"])

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        code, reason = _REASONS[how]
        return Message({"msisdn": hop.msisdn, "exitCode": code, "reason": reason}, f"/session/{hop.session}/end", "PUT")


SANDBOX = company(_Infobip())
