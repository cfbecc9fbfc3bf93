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
No notice says that a dialogue ended; one lasts three minutes.
"""

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import Fields, JsonAggregator, answer, international, repeated, wallet_word
from gateway.http.raw_exchange import RawRequest, RawResponse

_REPEATED = ("USERID", "MSISDN")


class Nalo(JsonAggregator):
    """`UssdAggregator`."""

    code = "nalo"

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A hop."""
        texts = fields.texts("USERID", "USERDATA", "NETWORK", "SESSIONID", required=("MSISDN",))
        is_first = fields.flag("MSGTYPE")
        number = international(texts["MSISDN"])
        session_id = texts["SESSIONID"].strip()
        return UssdTurn(
            session_id=session_id or number,
            msisdn=number,
            service_code=texts["USERDATA"] if is_first else "",
            network=wallet_word(texts["NETWORK"]),
            phase=Phase.START if is_first else Phase.INPUT,
            newest="" if is_first else texts["USERDATA"],
            echo=fields.echo(*_REPEATED),
            session_named=bool(session_id),
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`MSG`, and `MSGTYPE` true to go on."""
        return answer({**repeated(turn, *_REPEATED), "MSG": screen, "MSGTYPE": more})


REGISTRATION = Nalo()
