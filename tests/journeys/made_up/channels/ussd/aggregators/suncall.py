"""Suncall, a USSD aggregator that does not exist: `dialled` at first, then `typed`; `end` in the answer."""

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.json_fields import Fields, JsonAggregator, answer, international
from gateway.http.raw_exchange import RawRequest, RawResponse


class Suncall(JsonAggregator):
    """`UssdAggregator`."""

    code = "suncall"

    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """A hop."""
        texts = fields.texts("dialled", "typed", required=("session", "phone"))
        return UssdTurn(
            session_id=texts["session"],
            msisdn=international(texts["phone"]),
            service_code=texts["dialled"],
            network=None,
            phase=Phase.START if texts["dialled"] else Phase.INPUT,
            newest=texts["typed"],
        )

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """The screen, and whether it was the last."""
        return answer({"screen": screen, "end": not more})


REGISTRATION = Suncall()
