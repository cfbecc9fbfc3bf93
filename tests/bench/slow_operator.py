"""MTN, as far as prompts and questions go, which takes its time:
`python -m tests.bench.slow_operator PORT MILLISECONDS [QUESTIONS_A_SECOND]`.

`/seen` shows what it received: how many references, how often the same twice, the most at once, and for how
long it was busy, from the first request to the last answer. `/asked` shows the times of the questions, in seconds, and
how often it answered 429, which it does to each question that is one too many within a second.
"""

import asyncio
import sys
import time
from collections import Counter

import uvloop
from aiohttp import web


class SlowOperator:
    """Takes every prompt in after `seconds`."""

    def __init__(self, seconds: float, questions: int) -> None:
        self._seconds = seconds
        self._questions = questions
        self._forget()

    def _forget(self) -> None:
        self.references: Counter[str] = Counter()
        self.in_progress = self.most = 0
        self.began = self.ended = 0.0
        self.asked: list[float] = []
        self.refused = 0

    async def token(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "bench", "token_type": "access_token", "expires_in": 3600})

    async def prompt(self, request: web.Request) -> web.Response:
        self.began = self.began or time.perf_counter()
        self.references[request.headers["X-Reference-Id"]] += 1
        self.in_progress += 1
        self.most = max(self.most, self.in_progress)
        await request.read()
        await asyncio.sleep(self._seconds)
        self.in_progress -= 1
        self.ended = time.perf_counter()
        return web.Response(status=202)

    async def status(self, request: web.Request) -> web.Response:
        now = time.perf_counter()
        # What is refused counts as well: it was a call.
        self.asked.append(now)
        if len(self.asked) > self._questions and self.asked[-1 - self._questions] > now - 1:
            self.refused += 1
            return web.json_response({"code": "TOO_MANY_REQUESTS"}, status=429)
        await asyncio.sleep(self._seconds)
        return web.json_response({"status": "PENDING"})

    async def questions(self, request: web.Request) -> web.Response:
        """When it was asked, and what was one too many."""
        return web.json_response({"moments": self.asked, "refused": self.refused})

    async def seen(self, request: web.Request) -> web.Response:
        """What it saw; forgotten on `DELETE`."""
        found = {
            "references": len(self.references),
            "doubled": sum(self.references.values()) - len(self.references),
            "in_progress": self.in_progress,
            "most": self.most,
            "seconds": self.ended - self.began,
        }
        if request.method == "DELETE":
            self._forget()
        return web.json_response(found)


def main() -> None:
    questions = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    operator = SlowOperator(float(sys.argv[2]) / 1000, questions)
    app = web.Application()
    app.router.add_post("/collection/token/", operator.token)
    app.router.add_post("/collection/v1_0/requesttopay", operator.prompt)
    app.router.add_get("/collection/v1_0/requesttopay/{reference}", operator.status)
    app.router.add_route("GET", "/seen", operator.seen)
    app.router.add_get("/asked", operator.questions)
    app.router.add_route("DELETE", "/seen", operator.seen)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
