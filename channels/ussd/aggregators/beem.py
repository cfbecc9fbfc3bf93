"""Beem Africa, USSD.

Source: the open client `ussd-builder` 1.3.2, read in November 2026. JSON is posted for each hop:

| field | content |
| --- | --- |
| `command` | `initiate`, `continue`; `terminate` is a notice that the dialogue is over |
| `msisdn` | international without `+`; repeated in the answer |
| `session_id` | the same for every hop; repeated in the answer |
| `operator` | a word; repeated in the answer |
| `payload.request_id` | repeated in the answer |
| `payload.response` | the newest input; means nothing in an `initiate` |

The answer's `command` is `continue` or `terminate`, its `payload.request` the screen: the names are
those of a person who looks from the handset. No field holds what was dialled, so the tail of a long
dial is lost. Where several contests have codes of their own, the address that is registered for a code
must say which: `?code=789`.
"""

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import (
    FIELD_LENGTH_MAX,
    Fields,
    JsonAggregator,
    Unreadable,
    answer,
    international,
    repeated,
    wallet_word,
)
from gateway.http.raw_exchange import RawRequest, RawResponse

_PHASES = {"initiate": Phase.START, "continue": Phase.INPUT, "terminate": Phase.END}
_REPEATED = ("msisdn", "operator", "session_id")


class Beem(JsonAggregator):
    """`UssdAggregator`."""

    code = "beem"

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A hop, or the notice that a dialogue is over."""
        texts = fields.texts("operator", "command", required=("msisdn", "session_id"))
        phase = fields.phase("command", _PHASES)
        payload = fields.get("payload", {} if phase is Phase.END else None)
        if not isinstance(payload, dict):
            raise Unreadable("no payload")
        payload = Fields(payload)
        typed = payload.texts("request_id", "response")["response"]
        return UssdTurn(
            session_id=texts["session_id"],
            msisdn=international(texts["msisdn"]),
            service_code=request.query.get("code", "")[:FIELD_LENGTH_MAX],
            network=wallet_word(texts["operator"]),
            phase=phase,
            newest=typed if phase is Phase.INPUT else "",
            echo={**fields.echo(*_REPEATED), **payload.echo("request_id")},
            outcome=texts["command"] if phase is Phase.END else "",
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`continue` or `terminate` with the screen."""
        return answer(
            {
                **repeated(turn, *_REPEATED),
                "command": "continue" if more else "terminate",
                "payload": {**repeated(turn, "request_id"), "request": screen},
            }
        )


REGISTRATION = Beem()
