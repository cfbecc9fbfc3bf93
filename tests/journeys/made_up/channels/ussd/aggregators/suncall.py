"""Suncall, a USSD aggregator that does not exist: `dialled` at first, then `typed`; `end` in the answer."""

from typing import Final

from channels.ussd.aggregator import ONE_ADDRESS, Malformed, Phase, Registration, UssdTurn
from channels.ussd.json_fields import JSON, answer, international, missing, read_object, read_texts
from gateway.http.raw_exchange import RawRequest, RawResponse

CODE: Final = "suncall"


class Suncall:
    """`UssdAggregator`."""

    code = CODE
    content_types = frozenset({JSON})
    addresses = ONE_ADDRESS
    screen_septets_max = 160

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop."""
        fields = read_object(request.body)
        if isinstance(fields, Malformed):
            return fields
        texts = read_texts(fields, "session", "phone", "dialled", "typed")
        if isinstance(texts, Malformed):
            return texts
        if fault := missing(texts, "session", "phone"):
            return fault
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


REGISTRATION = Registration(CODE, Suncall())
