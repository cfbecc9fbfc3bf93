"""Sunpay, simulated."""

import time

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PromptedRequests, Words
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import News
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.wire import Refusal, answer, read_json, served

WORDS = Words(
    declined="declined",
    expired="late",
    no_funds="poor",
    wrong_pin="declined",
    busy="busy",
    approvals_code="*7865#",
    sender="Sunpay",
    limit="too much",
)
_STATUS = {Status.PENDING: "WAITING", Status.SUCCESSFUL: "PAID", Status.FAILED: "FAILED"}


class _Sunpay(PromptedRequests):
    """Payments. They live in the operators' book."""

    words = WORDS

    def application(self) -> web.Application:
        """Everything under `/sunpay`."""
        app = served(self.resume)
        app.router.add_post("/payments/{reference}", self.take)
        app.router.add_get("/payments/{reference}", self.show)
        self.serve_menu()
        return app

    def check(self, request: web.Request) -> str:
        if not self.context.issued(key=request.headers.get("X-Key", "")):
            raise Refusal(answer(401, {"error": "who are you"}))
        return ""

    def broken(self, code: str) -> web.Response:
        return answer(500, {"error": code})

    def too_many(self) -> web.Response:
        return answer(429, {"error": "too fast"})

    def unavailable(self) -> web.Response:
        return answer(503, {"error": "down"})

    def not_found(self) -> web.Response:
        return answer(404, {"error": "unknown"})

    def repeated(self, entry: Entry) -> web.Response:
        return answer(409, {"error": "known"})

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        return answer(202, {})

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        return answer(200, self._shown(entry) | ({"status": "IN_REVIEW"} if faults.status.unknown_word else {}))

    async def find(self, request: web.Request, account: str) -> Entry | None:
        return self.known(request.match_info["reference"])

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        body = await read_json(request)
        assert isinstance(body, dict)
        if not body["phone"].startswith("+22505"):
            raise Refusal(answer(422, {"error": "stranger"}))
        return Entry(
            operator=self.code,
            our_reference=request.match_info["reference"],
            external_id=body["order"],
            msisdn=body["phone"],
            amount=body["amount"],
            currency="XOF",
            expires_at=time.time() + (self.faults.expire_after_seconds or 300),
            details={"notify": body["notify"]},
        )

    def number_of(self, entry: Entry) -> str:
        return f"SUN{entry.number}"

    def news(self, entry: Entry) -> News:
        wrong = self._shown(entry) | {"amount": entry.whole * 10}
        return News(entry.details["notify"], self._shown(entry), wrong, entry.msisdn)

    def _shown(self, entry: Entry) -> dict[str, object]:
        return {
            "reference": entry.our_reference,
            "status": _STATUS[entry.status],
            "amount": entry.whole,
            "number": self.number_of(entry),
            "error": entry.reason,
        }


SANDBOX = Company("sunpay", lambda context: _Sunpay(context).application(), demo={"KEY": "demo-key", "PRIORITY": "1"})
