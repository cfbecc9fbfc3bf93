"""Africa's Talking, USSD.

Source: Africa's Talking developer pages and help centre (articles 484351, 742510, 1284071), and a
capture of its sandbox, read in November 2026. A form is posted for each hop:

| field | content |
| --- | --- |
| `sessionId` | the same for every hop; unique only together with the number |
| `phoneNumber` | E.164; a bare `+` arrives as a space |
| `networkCode` | MCC and MNC as digits; may be missing or a word |
| `serviceCode` | the registered code; may hold the whole dialled string, or be empty |
| `text` | empty at first, then everything typed so far, joined by `*` |

The answer is `text/plain` that begins with exactly `CON ` or `END `. Nothing is signed or numbered,
and requests are repeated: the cumulative text itself is the turn number.
"""

from collections.abc import Mapping
from typing import Final

from channels.ussd.aggregator import Malformed, Phase, Registration, UssdTurn
from gateway.ports.raw_exchange import RawRequest, RawResponse

CODE: Final = "africastalking"
_FIELD_LENGTH_MAX: Final = 200
_TEXT_LENGTH_MAX: Final = 1_000


class AfricasTalking:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({"application/x-www-form-urlencoded"})

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop, or the notice that a dialogue is over."""
        form = request.form
        session_id, phone = form.get("sessionId", ""), form.get("phoneNumber", "")
        if not session_id or len(session_id) > _FIELD_LENGTH_MAX:
            return Malformed("no sessionId")
        if not phone.strip() or len(phone) > _FIELD_LENGTH_MAX:
            return Malformed("no phoneNumber")
        text = form.get("text", "")
        if len(text) > _TEXT_LENGTH_MAX:
            return Malformed("text too long")
        number = phone.strip()
        return UssdTurn(
            session_id=session_id,
            msisdn=number if number.startswith("+") else f"+{number}",
            service_code=form.get("serviceCode", "")[:_FIELD_LENGTH_MAX],
            network=form.get("networkCode") or None,
            transcript=text,
            phase=Phase.END if "durationInMillis" in form else Phase.HOP,
        )

    def write(self, screen: str, *, more: bool, request: Mapping[str, str]) -> RawResponse:
        """`CON ` or `END ` and the screen."""
        return RawResponse(200, f"{'CON' if more else 'END'} {screen}".encode(), "text/plain")


REGISTRATION = Registration(CODE, AfricasTalking())
