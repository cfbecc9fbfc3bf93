"""Africa's Talking as USSD aggregator: cumulative text out, `CON`/`END` back, its limits enforced.

Source: Africa's Talking's developer and help pages; the form was checked against a capture of its
sandbox. Screens: 3GPP TS 23.038 leaves 182 septets to a USSD string.
"""

import time
from urllib.parse import urlencode
from uuid import uuid4

from sandbox.aggregators.json_line import OPERATOR_ERROR, is_service_code, registered_part, screen_fault
from sandbox.company import Context
from sandbox.courier import instant
from sandbox.phones.handset import Ending
from sandbox.phones.network import network_of

FORM = "application/x-www-form-urlencoded"
_NOTICE_TIMEOUT_SECONDS = 10.0
_STATUS_OF = {"completed": "Success", "hung_up": "Incomplete", "timed_out": "Incomplete", "failed": "Failed"}


class UssdLine:
    """All service codes that are no operator's own."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def open(self, msisdn: str, code: str) -> "UssdDialogue | None":
        """Start a dialogue for `*789#`, or for `*789*07*5*1#` with a tail. None for a code without a leading `*`."""
        if not is_service_code(code):
            return None
        own = registered_part(code, self._context.channel.faults.ussd.service_codes)
        return UssdDialogue(self._context, msisdn, code, own)


class UssdDialogue:
    """One session. `dialled` is the whole string, `service_code` the registered part of it."""

    def __init__(self, context: Context, msisdn: str, dialled: str, service_code: str) -> None:
        self._context = context
        self._msisdn = msisdn
        self._session = f"ATUid_{uuid4().hex}"
        tail = dialled[len(service_code) : -1] if dialled != service_code else ""
        shape = context.channel.faults.ussd.deep_dial
        self._service_code = dialled if shape == "service_code" else service_code
        self._text = tail if shape == "text" else ""
        self._started = time.monotonic()
        self._hops = 0
        self._last_answer = ""
        self._error = ""
        self._has_ended = False

    async def turn(self, typed: str) -> tuple[str, bool]:
        """Post one hop and read its answer. A breach of the rules ends the session."""
        if self._hops and (self._text or typed):
            self._text = f"{self._text}*{typed}" if self._text else typed
        self._hops += 1
        faults = self._context.channel.faults.ussd
        status, answer = await self._post()
        if faults.repeat_hop and not self._has_ended:
            again = await self._post()
            if again != (status, answer):
                self._violated("repeated_hop_answered_differently", f"{answer!r} then {again[1]!r}")
        if self._has_ended:
            return OPERATOR_ERROR, False
        fault = "answer_lost" if faults.lose_answer else self._breach(status, answer)
        if fault:
            self._error = fault
            self._finish("Failed")
            return OPERATOR_ERROR, False
        self._last_answer = answer
        return answer[4:], answer.startswith("CON ")

    def ended(self, how: Ending) -> None:
        """Tell the gateway, where that is ordered."""
        self._finish(_STATUS_OF[how])

    async def _post(self) -> tuple[int, str]:
        context, faults = self._context, self._context.channel.faults.ussd
        fields = {
            "sessionId": self._session,
            "phoneNumber": self._msisdn,
            "networkCode": network_of(self._msisdn).code,
            "serviceCode": self._service_code,
            "text": self._text,
        }
        if faults.network_code == "missing":
            del fields["networkCode"]
        elif faults.network_code == "word":
            fields["networkCode"] = network_of(self._msisdn).name.lower()
        body = urlencode(fields, safe="*")
        if faults.plain_plus:
            body = body.replace("%2B", "+", 1)
        return await context.courier.deliver(
            context.code,
            "POST",
            context.address("/ussd/africastalking"),
            body=body.encode(),
            content_type=FORM,
            within=faults.answer_seconds,
            about=self._msisdn,
        )

    def _breach(self, status: int, answer: str) -> str:
        """Check an answer; record and return what is wrong with it, or nothing."""
        if status == 0:
            return self._violated("no_answer", answer)
        if status != 200:
            return self._violated("http_status", f"HTTP {status}")
        if not answer.startswith(("CON ", "END ")):
            return self._violated("prefix", f"Response should start with a CON or an END: {answer[:80]!r}")
        fault = screen_fault(answer[4:], self._context.channel.faults.ussd.septets_max)
        if fault:
            return self._violated(*fault)
        return ""

    def _violated(self, kind: str, detail: str) -> str:
        self._context.channel.violated(kind, self._msisdn, self._session, detail)
        return kind

    def _finish(self, status: str) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        if self._context.channel.faults.ussd.end_notice:
            self._context.courier.spawn(self._notify(status))

    async def _notify(self, status: str) -> None:
        fields = {
            "date": instant()[:19].replace("T", " "),
            "sessionId": self._session,
            "serviceCode": self._service_code,
            "networkCode": network_of(self._msisdn).code,
            "phoneNumber": self._msisdn,
            "status": status,
            "cost": "XOF 0.0000",
            "durationInMillis": str(int((time.monotonic() - self._started) * 1000)),
            "hopsCount": str(self._hops),
            "hopsMetadata": "",
            "input": self._text,
            "lastAppResponse": self._last_answer,
            **({"errorMessage": self._error} if self._error else {}),
        }
        await self._context.courier.deliver(
            self._context.code,
            "POST",
            self._context.address("/ussd/africastalking/end"),
            body=urlencode(fields, safe="*").encode(),
            content_type=FORM,
            within=_NOTICE_TIMEOUT_SECONDS,
            about=self._msisdn,
        )
