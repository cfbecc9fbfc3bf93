"""Infobip, USSD gateway.

Source: the open integrations `vumi` (`transports/infobip`), `ex_ussd` and
`lemuel-addy/USSD-Simulator`, read in November 2026. JSON comes to an address for each step of a session:

| address behind ours | what it says |
| --- | --- |
| `/session/{id}/start` | a voter dialled: `text` is the dialled string, or absent |
| `/session/{id}/response` | a voter typed: `text` is the newest input |
| `/session/{id}/end` | a notice: `exitCode`, `reason` |

Both POST and PUT are seen. Each carries `msisdn`, with or without `+`, and mostly `shortCode` and
`networkName`. `imsi`, which may come too, is personal and not read. The answer holds `ussdMenu`, the
screen, `shouldClose`, `responseExitCode` and `responseMessage`. An error is an exit code of 400.
"""

import re

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import (
    FIELD_LENGTH_MAX,
    Fields,
    JsonAggregator,
    Unreadable,
    answer,
    international,
    wallet_word,
)
from gateway.http.raw_exchange import RawRequest, RawResponse

_OK, _REFUSED = 200, 400
_PHASES = {"start": Phase.START, "response": Phase.INPUT, "end": Phase.END}
_PATH = re.compile(r"/session/(?P<session>.+)/(?P<step>start|response|end)\Z", re.DOTALL)


class Infobip(JsonAggregator):
    """`UssdAggregator`."""

    code = "infobip"
    addresses = tuple((method, f"/session/{{session}}/{step}") for method in ("POST", "PUT") for step in _PHASES)

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A step of a session."""
        place = _PATH.search(request.path)
        if place is None or len(place["session"]) > FIELD_LENGTH_MAX:
            raise Unreadable("no session in the path")
        names = ("text", "shortCode", "networkName", "exitCode", "reason")
        texts = fields.texts(*names, required=("msisdn",))
        phase = _PHASES[place["step"]]
        dialled = texts["text"].strip()
        has_dialled = phase is Phase.START and dialled.startswith("*")
        return UssdTurn(
            session_id=place["session"],
            msisdn=international(texts["msisdn"]),
            service_code=dialled if has_dialled else texts["shortCode"],
            # Seen with the country behind the brand: `MTN CI`.
            network=wallet_word(texts["networkName"].strip().partition(" ")[0]),
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


REGISTRATION = Infobip()
