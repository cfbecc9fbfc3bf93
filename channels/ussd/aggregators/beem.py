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
those of somebody who looks from the handset. No field holds what was dialled, so the tail of a long
dial is lost. Where several contests have codes of their own, the address that is registered for a code
must say which: `?code=789`.
"""

from typing import Final

from channels.ussd.aggregator import ONE_ADDRESS, Malformed, Phase, Registration, UssdTurn
from channels.ussd.json_fields import (
    FIELD_LENGTH_MAX,
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

CODE: Final = "beem"
# Beem names no limit of its own; this is the narrowest that networks have.
SCREEN_SEPTETS_MAX: Final = 160
_WALLETS: Final = {"mtn": "mtn", "orange": "orange"}
_PHASES: Final = {"initiate": Phase.START, "continue": Phase.INPUT, "terminate": Phase.END}
_REPEATED: Final = ("msisdn", "operator", "session_id")


class Beem:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({JSON})
    addresses = ONE_ADDRESS
    screen_septets_max = SCREEN_SEPTETS_MAX

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop, or the notice that a dialogue is over."""
        fields = read_object(request.body)
        if isinstance(fields, Malformed):
            return fields
        texts = read_texts(fields, *_REPEATED, "command")
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "msisdn", "session_id"):
            return fault
        phase = _PHASES.get(texts["command"].strip().lower())
        if phase is None:
            return Malformed("unknown command")
        payload = fields.get("payload", {} if phase is Phase.END else None)
        if not isinstance(payload, dict):
            return Malformed("no payload")
        said = read_texts(payload, "request_id", "response")
        if isinstance(said, Malformed):
            return said
        return UssdTurn(
            session_id=texts["session_id"],
            msisdn=international(texts["msisdn"]),
            service_code=request.query.get("code", "")[:FIELD_LENGTH_MAX],
            network=wallet_word(_WALLETS, texts["operator"]),
            phase=phase,
            newest=said["response"] if phase is Phase.INPUT else "",
            echo={**echo_of(fields, *_REPEATED), **echo_of(payload, "request_id")},
            outcome=texts["command"] if phase is Phase.END else "",
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`continue` or `terminate` with the screen."""
        echo = turn.echo if turn else {}
        return answer(
            {
                **{name: echo.get(name, "") for name in _REPEATED},
                "command": "continue" if more else "terminate",
                "payload": {"request_id": echo.get("request_id", ""), "request": screen},
            }
        )


REGISTRATION = Registration(CODE, Beem())
