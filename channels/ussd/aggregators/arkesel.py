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

The answer adds `message`, the screen, and `continueSession`. No notice says that a dialogue ended;
one lasts about 150 seconds.
"""

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import Fields, JsonAggregator, answer, international, repeated, wallet_word
from gateway.http.raw_exchange import RawRequest, RawResponse

_REPEATED = ("sessionID", "userID", "msisdn")


class Arkesel(JsonAggregator):
    """`UssdAggregator`."""

    code = "arkesel"

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A hop."""
        texts = fields.texts("userID", "userData", "network", required=("sessionID", "msisdn"))
        is_first = fields.flag("newSession")
        return UssdTurn(
            session_id=texts["sessionID"],
            msisdn=international(texts["msisdn"]),
            service_code=texts["userData"] if is_first else "",
            network=wallet_word(texts["network"]),
            phase=Phase.START if is_first else Phase.INPUT,
            newest="" if is_first else texts["userData"],
            echo=fields.echo(*_REPEATED),
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`message`, and `continueSession` true to go on."""
        return answer({**repeated(turn, *_REPEATED), "message": screen, "continueSession": more})


REGISTRATION = Arkesel()
