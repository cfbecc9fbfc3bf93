"""Africa's Talking, USSD.

Source: Africa's Talking developer pages and help centre (articles 484351, 742510, 1284071, 1284096),
and a capture of its sandbox, read in November 2026. A form is posted for each hop:

| field | content |
| --- | --- |
| `sessionId` | the same for every hop; unique only together with the number |
| `phoneNumber` | E.164; a bare `+` arrives as a space |
| `networkCode` | MCC and MNC as digits; may be missing, unknown or a word |
| `serviceCode` | the registered code; may hold the whole dialled string, or be empty |
| `text` | empty at first, then everything typed so far, joined by `*` |

The answer is `text/plain` that begins with exactly `CON ` or `END `. Nothing is signed or numbered,
and requests are repeated: the cumulative text itself is the turn number. A notice at the end, with
`status`, `durationInMillis` and `hopsCount`, may come twice, too early or never.
"""

from typing import Final

from channels.ussd.aggregator import ONE_ADDRESS, Malformed, Phase, UssdTurn
from gateway.http.raw_exchange import RawRequest, RawResponse

_FIELD_LENGTH_MAX: Final = 200
_TEXT_LENGTH_MAX: Final = 1_000


class AfricasTalking:
    """`UssdAggregator`."""

    code = "africastalking"
    content_types = frozenset({"application/x-www-form-urlencoded"})
    addresses = ONE_ADDRESS
    # Safaricom's limit, the narrowest that the vendor publishes (Airtel's is 184).
    screen_septets_max = 160

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop, or the notice that a dialogue is over."""
        form = request.form
        session_id, phone = form.get("sessionId", ""), form.get("phoneNumber", "").strip()
        if not session_id or len(session_id) > _FIELD_LENGTH_MAX:
            return Malformed("no sessionId")
        if not phone or len(phone) > _FIELD_LENGTH_MAX:
            return Malformed("no phoneNumber")
        service_code = form.get("serviceCode", "")
        text = form.get("text", "")
        if len(service_code) > _FIELD_LENGTH_MAX or len(text) > _TEXT_LENGTH_MAX:
            return Malformed("text too long")
        dialling = Phase.INPUT if text else Phase.START
        return UssdTurn(
            session_id=session_id,
            msisdn=phone if phone.startswith(("+", "0")) else f"+{phone}",
            service_code=service_code,
            network=form.get("networkCode") or None,
            phase=Phase.END if "durationInMillis" in form else dialling,
            transcript=text,
            outcome=form.get("status", "")[:_FIELD_LENGTH_MAX],
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`CON ` or `END ` and the screen."""
        return RawResponse(200, f"{'CON' if more else 'END'} {screen}".encode(), "text/plain")


REGISTRATION = AfricasTalking()
