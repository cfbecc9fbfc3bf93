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

CODE: Final = "hubtel"
# Hubtel names no limit of its own; this is the narrowest that networks have.
SCREEN_SEPTETS_MAX: Final = 160
_HOP_DIGITS_MAX: Final = 9
_WALLETS: Final = {"mtn": "mtn", "orange": "orange"}
_PHASES: Final = {
    "initiation": Phase.START,
    "response": Phase.INPUT,
    "release": Phase.END,
    "timeout": Phase.END,
}
_NAMES: Final = ("sessionid", "type", "message", "servicecode", "operator", "mobile", "clientstate", "sequence")


class Hubtel:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({JSON})
    addresses = ONE_ADDRESS
    screen_septets_max = SCREEN_SEPTETS_MAX

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop, or the notice that a dialogue is over."""
        read = read_object(request.body)
        if isinstance(read, Malformed):
            return read
        # Its pages write `ServiceCode` and `serviceCode`.
        fields = {name.lower(): value for name, value in read.items()}
        texts = read_texts(fields, *_NAMES)
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "sessionid", "mobile"):
            return fault
        phase = _PHASES.get(texts["type"].strip().lower())
        if phase is None:
            return Malformed("unknown Type")
        hop = texts["sequence"].strip()
        return UssdTurn(
            session_id=texts["sessionid"],
            msisdn=international(texts["mobile"]),
            service_code=_service_code(texts, phase),
            network=wallet_word(_WALLETS, texts["operator"]),
            phase=phase,
            newest=texts["message"] if phase is Phase.INPUT else "",
            number=int(hop) if hop.isascii() and hop.isdecimal() and len(hop) <= _HOP_DIGITS_MAX else None,
            echo=echo_of(fields, "sessionid"),
            outcome=texts["type"] if phase is Phase.END else "",
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """`Response` or `Release` with the screen."""
        return answer(
            {
                "SessionId": turn.echo.get("sessionid", "") if turn else "",
                "Type": "Response" if more else "Release",
                "Message": screen,
                "Label": screen.partition("\n")[0],
                "ClientState": turn.service_code if turn else "",
                "DataType": "input" if more else "display",
                "FieldType": "text",
            }
        )


def _service_code(texts: dict[str, str], phase: Phase) -> str:
    """The code that was dialled, its tail included, wherever this hop says it."""
    said = texts["message"] if phase is Phase.START else texts["clientstate"]
    return said.strip() if said.strip().startswith("*") else texts["servicecode"]


REGISTRATION = Registration(CODE, Hubtel())
