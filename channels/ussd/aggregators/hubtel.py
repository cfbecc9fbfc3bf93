"""Hubtel, Programmable Services.

Source: developers.hubtel.com (API reference of Programmable Services) and Hubtel's own SDK
`programmable-services-sdk-dotnet`, read in November 2026. JSON is posted for each hop:

| field | content |
| --- | --- |
| `SessionId` | the same for every hop |
| `Type` | `Initiation`, `Response`; notices `Release` (the voter left) and `Timeout`; any case |
| `Message` | the newest input; at first the whole dialled string, `*789*07*5*1#` |
| `ServiceCode` | the code without star and hash, or an internal identifier |
| `Operator` | a word: `mtn`, `vodafone`, `airtel`, `tigo`; for other platforms a channel's word |
| `Mobile` | international without `+` |
| `ClientState` | what the last answer carried, given back once |
| `Sequence` | the number of the hop, as number or as text |

The answer repeats `SessionId` and says `Type`: `Response` to go on, `Release` to end. `Label` and
`FieldType` are for Hubtel's app. It must come within five seconds. We let `ClientState` carry the
code that was dialled, since later hops may name an internal identifier only.
"""

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import Fields, JsonAggregator, answer, international, repeated, wallet_word
from gateway.http.raw_exchange import RawRequest, RawResponse

_HOP_DIGITS_MAX = 9
_PHASES = {"initiation": Phase.START, "response": Phase.INPUT, "release": Phase.END, "timeout": Phase.END}
_NAMES = ("type", "message", "servicecode", "operator", "clientstate", "sequence")


class Hubtel(JsonAggregator):
    """`UssdAggregator`."""

    code = "hubtel"

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A hop, or the notice that a dialogue is over."""
        # Its pages write `ServiceCode` and `serviceCode`.
        named = Fields((name.lower(), value) for name, value in fields.items())
        texts = named.texts(*_NAMES, required=("sessionid", "mobile"))
        phase = named.phase("type", _PHASES)
        # The code that was dialled, its tail included, wherever this hop has it.
        dialled = texts["message" if phase is Phase.START else "clientstate"].strip()
        hop = texts["sequence"].strip()
        return UssdTurn(
            session_id=texts["sessionid"],
            msisdn=international(texts["mobile"]),
            service_code=dialled if dialled.startswith("*") else texts["servicecode"],
            network=wallet_word(texts["operator"]),
            phase=phase,
            newest=texts["message"] if phase is Phase.INPUT else "",
            number=int(hop) if hop.isascii() and hop.isdecimal() and len(hop) <= _HOP_DIGITS_MAX else None,
            echo=named.echo("sessionid"),
            outcome=texts["type"] if phase is Phase.END else "",
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`Response` or `Release` with the screen."""
        return answer(
            {
                "SessionId": repeated(turn, "sessionid")["sessionid"],
                "Type": "Response" if more else "Release",
                "Message": screen,
                "Label": screen.partition("\n")[0],
                "ClientState": turn.service_code if turn else "",
                "DataType": "input" if more else "display",
                "FieldType": "text",
            }
        )


REGISTRATION = Hubtel()
