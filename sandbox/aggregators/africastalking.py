"""Africa's Talking as USSD aggregator: cumulative text out, `CON`/`END` back, its limits enforced.

Source: Africa's Talking's developer and help pages; the form was checked against a capture of its
sandbox. Screens: 3GPP TS 23.038 leaves 182 septets to a USSD string.
"""

import math
import time
from itertools import dropwhile
from operator import not_
from urllib.parse import urlencode

from sandbox.aggregators.json_line import Hop, Line, Message, Screen, Wire
from sandbox.company import Context
from sandbox.courier import instant
from sandbox.phones.faults import UssdFaults
from sandbox.phones.handset import Ending
from sandbox.phones.network import network_of

FORM = "application/x-www-form-urlencoded"
_STATUS_OF = {"completed": "Success", "hung_up": "Incomplete", "timed_out": "Incomplete", "failed": "Failed"}


class _Ussd(Wire):
    """How its messages look. It notifies at the end where that is ordered."""

    code = "africastalking"
    content_type = FORM
    answer_seconds = math.inf
    septets_max = 182
    misread = "prefix"

    def __init__(self, context: Context) -> None:
        self._context = context

    def _faults(self) -> UssdFaults:
        return self._context.channel.faults.ussd

    def ask(self, hop: Hop) -> Message:
        network, named = network_of(f"+{hop.msisdn}"), self._faults().network_code
        word = network.name.lower() if named == "word" else network.code
        fields = {
            "sessionId": f"ATUid_{hop.session}",
            "phoneNumber": f"+{hop.msisdn}",
            **({} if named == "missing" else {"networkCode": word}),
            "serviceCode": self._service_code(hop),
            "text": self._text(hop),
        }
        return Message(fields)

    def encode(self, message: Message) -> bytes:
        body = urlencode(message.fields, safe="*")
        is_plain = self._faults().plain_plus and not message.path
        return (body.replace("%2B", "+", 1) if is_plain else body).encode()

    def decode(self, text: str) -> str:
        if not text.startswith(("CON ", "END ")):
            raise ValueError(f"Response should start with a CON or an END: {text[:80]!r}")
        return text

    def read(self, answer: str, hop: Hop) -> Screen:
        return Screen(answer[4:], answer.startswith("CON "))

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        if not self._faults().end_notice:
            return None
        fields = {
            "date": instant()[:19].replace("T", " "),
            "sessionId": f"ATUid_{hop.session}",
            "serviceCode": self._service_code(hop),
            "networkCode": network_of(f"+{hop.msisdn}").code,
            "phoneNumber": f"+{hop.msisdn}",
            "status": _STATUS_OF[how],
            "cost": "XOF 0.0000",
            "durationInMillis": str(int((time.monotonic() - hop.started) * 1000)),
            "hopsCount": str(hop.number - 1),
            "hopsMetadata": "",
            "input": self._text(hop),
            "lastAppResponse": hop.answered or "",
            **({"errorMessage": hop.fault} if hop.fault else {}),
        }
        return Message(fields, "/end")

    def _service_code(self, hop: Hop) -> str:
        return hop.dialled if self._faults().deep_dial == "service_code" else hop.service_code

    def _text(self, hop: Hop) -> str:
        """All that was typed, behind what was dialled after the service code."""
        tail = hop.dialled[len(hop.service_code) : -1] if self._faults().deep_dial == "text" else ""
        return "*".join(dropwhile(not_, (tail, *hop.inputs)))


def ussd_line(context: Context) -> Line:
    """Its USSD line, which its carrier of texts opens with its own: they are one company."""
    return Line(context, _Ussd(context))
