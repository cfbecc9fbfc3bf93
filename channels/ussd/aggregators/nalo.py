"""Nalo Solutions, USSD.

Source: Nalo's USSD API page, and the open clients `ussd-builder` 1.3.2, `advanced-ussd-builder` 2.4.5
and `sparors/laravel-ussd`, read in November 2026. JSON is posted for each hop:

| field | content |
| --- | --- |
| `USERID` | the account; repeated in the answer |
| `MSISDN` | international without `+`; repeated in the answer |
| `USERDATA` | the whole dialled string at first, `*789*07*5*1#` with or without `#`; then the newest input |
| `MSGTYPE` | `true` in the first request, `false` in later ones |
| `NETWORK` | a word: `MTN`, `VODAFONE`, `AIRTELTIGO` |
| `SESSIONID` | the same for every hop; older accounts have none: then the number stands for it |

In the answer `MSGTYPE` means something else: `true` to go on, `false` to end. `MSG` is the screen.
Nobody is told that a dialogue ended; one lives three minutes.
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

CODE: Final = "nalo"
# Nalo names no limit of its own; this is the narrowest that networks have.
SCREEN_SEPTETS_MAX: Final = 160
_WALLETS: Final = {"mtn": "mtn", "orange": "orange"}


class Nalo:
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
        texts = read_texts(fields, "USERID", "MSISDN", "USERDATA", "NETWORK", "SESSIONID")
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "MSISDN"):
            return fault
        is_first = fields.get("MSGTYPE")
        if not isinstance(is_first, bool):
            return Malformed("MSGTYPE is neither true nor false")
        number = international(texts["MSISDN"])
        session_id = texts["SESSIONID"].strip()
        return UssdTurn(
            session_id=session_id or number,
            msisdn=number,
            service_code=texts["USERDATA"] if is_first else "",
            network=wallet_word(_WALLETS, texts["NETWORK"]),
            phase=Phase.START if is_first else Phase.INPUT,
            newest="" if is_first else texts["USERDATA"],
            echo=echo_of(fields, "USERID", "MSISDN"),
            session_named=bool(session_id),
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`MSG`, and `MSGTYPE` true to go on."""
        echo = turn.echo if turn else {}
        return answer(
            {"USERID": echo.get("USERID", ""), "MSISDN": echo.get("MSISDN", ""), "MSG": screen, "MSGTYPE": more}
        )


REGISTRATION = Registration(CODE, Nalo())
