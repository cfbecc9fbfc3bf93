"""Arkesel, USSD.

Source: the open clients and simulators `ussd-builder` 1.3.2, `bensonOSei/ussd-simulator` and
`kurtiz/ussd-simulator`, read in November 2026. JSON is posted for each hop:

| field | content |
| --- | --- |
| `sessionID` | the same for every hop; text or number; repeated in the answer |
| `userID` | the account; repeated in the answer |
| `newSession` | `true` in the first request, `false` in later ones |
| `msisdn` | international without `+`; repeated in the answer |
| `userData` | the whole dialled string at first, `*789*07*5*1#`; then the newest input |
| `network` | a word: `MTN`, `Vodafone`, `AirtelTigo` |

The answer adds `message`, the screen, and `continueSession`. Nobody is told that a dialogue ended;
one lives about 150 seconds.
"""

from typing import Final

from channels.ussd.aggregator import ONE_ADDRESS, Malformed, Phase, Registration, UssdTurn
from channels.ussd.json_fields import (
    JSON,
    answer,
    echo_of,
    international,
    missing,
    read_object,
    read_texts,
    wallet_word,
)
from gateway.http.raw_exchange import RawRequest, RawResponse

CODE: Final = "arkesel"
# Arkesel names no limit of its own; this is the narrowest that networks have.
SCREEN_SEPTETS_MAX: Final = 160
_WALLETS: Final = {"mtn": "mtn", "orange": "orange"}
_REPEATED: Final = ("sessionID", "userID", "msisdn")


class Arkesel:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({JSON})
    addresses = ONE_ADDRESS
    screen_septets_max = SCREEN_SEPTETS_MAX

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop."""
        fields = read_object(request.body)
        if isinstance(fields, Malformed):
            return fields
        texts = read_texts(fields, *_REPEATED, "userData", "network")
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "sessionID", "msisdn"):
            return fault
        is_first = fields.get("newSession")
        if not isinstance(is_first, bool):
            return Malformed("newSession is neither true nor false")
        return UssdTurn(
            session_id=texts["sessionID"],
            msisdn=international(texts["msisdn"]),
            service_code=texts["userData"] if is_first else "",
            network=wallet_word(_WALLETS, texts["network"]),
            phase=Phase.START if is_first else Phase.INPUT,
            newest="" if is_first else texts["userData"],
            echo=echo_of(fields, *_REPEATED),
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`message`, and `continueSession` true to go on."""
        echo = turn.echo if turn else {}
        repeated = {name: echo.get(name, "") for name in _REPEATED}
        return answer({**repeated, "message": screen, "continueSession": more})


REGISTRATION = Registration(CODE, Arkesel())
