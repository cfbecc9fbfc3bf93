"""Infobip, USSD gateway.

Source: the open integrations `vumi` (`transports/infobip`), `ex_ussd` and
`lemuel-addy/USSD-Simulator`, read in November 2026. JSON comes to an address for each step of a session:

| address behind ours | what it says |
| --- | --- |
| `/session/{id}/start` | somebody dialled: `text` is the dialled string, or absent |
| `/session/{id}/response` | somebody typed: `text` is the newest input |
| `/session/{id}/end` | a notice: `exitCode`, `reason` |

Both POST and PUT are seen. Each carries `msisdn`, with or without `+`, and mostly `shortCode` and
`networkName`. `imsi`, which may come too, is personal and not read. The answer holds `ussdMenu`, the
screen, `shouldClose`, `responseExitCode` and `responseMessage`. An error is an exit code of 400.
"""

import re
from typing import Final

from channels.ussd.aggregator import Malformed, Phase, Registration, UssdTurn
from channels.ussd.json_fields import (
    FIELD_LENGTH_MAX,
    JSON,
    answer,
    international,
    missing,
    read_object,
    read_texts,
    wallet_word,
)
from gateway.http.raw_exchange import RawRequest, RawResponse

CODE: Final = "infobip"
# Infobip names no limit of its own; this is the narrowest that networks have.
SCREEN_SEPTETS_MAX: Final = 160
_OK, _REFUSED = 200, 400
_WALLETS: Final = {"mtn": "mtn", "orange": "orange"}
_PHASES: Final = {"start": Phase.START, "response": Phase.INPUT, "end": Phase.END}
_PATH: Final = re.compile(r"/session/(?P<session>.+)/(?P<step>start|response|end)\Z", re.DOTALL)


class Infobip:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({JSON})
    addresses = tuple((method, f"/session/{{session}}/{step}") for method in ("POST", "PUT") for step in _PHASES)
    screen_septets_max = SCREEN_SEPTETS_MAX

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a step of a session."""
        place = _PATH.search(request.path)
        if place is None or len(place["session"]) > FIELD_LENGTH_MAX:
            return Malformed("no session in the path")
        fields = read_object(request.body)
        if isinstance(fields, Malformed):
            return fields
        texts = read_texts(fields, "msisdn", "text", "shortCode", "networkName", "exitCode", "reason")
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "msisdn"):
            return fault
        phase = _PHASES[place["step"]]
        dialled = texts["text"].strip()
        has_dialled = phase is Phase.START and dialled.startswith("*")
        return UssdTurn(
            session_id=place["session"],
            msisdn=international(texts["msisdn"]),
            service_code=dialled if has_dialled else texts["shortCode"],
            # Seen with the country behind the brand: `MTN CI`.
            network=wallet_word(_WALLETS, texts["networkName"].strip().partition(" ")[0]),
            phase=phase,
            newest=texts["text"] if phase is Phase.INPUT else "",
            outcome=f"{texts['exitCode']} {texts['reason']}".strip(),
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`ussdMenu` and `shouldClose`; to a notice only that it arrived."""
        code = {"responseExitCode": _OK if turn else _REFUSED, "responseMessage": ""}
        if turn is not None and turn.phase is Phase.END:
            return answer(code)
        return answer({"ussdMenu": screen, "shouldClose": not more, **code})


REGISTRATION = Registration(CODE, Infobip())
