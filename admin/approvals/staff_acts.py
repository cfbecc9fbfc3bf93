"""Acts of staff: asked for with a reason, agreed to by a second person, done, and all of it recorded.

What is approved is a row; a process that stops half way leaves it approved, and the sweeper of the
next one goes on (`run_approved`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from aiohttp import web

from admin.approvals.rules import needs_second_person
from admin.approvals.store import StaffRequests
from gateway.storage.doorbell import Doorbell, Work
from payments.requests import Act, ActRefused, Executor, NewRequest, RequestStatus, StaffRequest, Why, named, reasoned

BATCH: Final = 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request stands after a decision. `approved`: it is being done by the workers."""

    status: RequestStatus
    text: str


class StaffActs:
    """Asking and deciding. `executors`: who does what; an act without one is refused.

    `temporary`: errors of servers that come back; what meets one stays approved and is tried again."""

    def __init__(
        self,
        requests: StaffRequests,
        executors: Mapping[Act, Executor],
        doorbell: Doorbell,
        *,
        temporary: tuple[type[Exception], ...] = (),
    ) -> None:
        self.requests = requests
        self._executors = executors
        self._doorbell = doorbell
        self._temporary = temporary

    async def ask(self, act: Act, subject: str, params: Mapping[str, Any], reason: str, person: str) -> UUID:
        """Ask for an act; the request's id. What needs no second person is done before this returns.

        Raises ActRefused for a reason or a person that is none, and for what cannot be done."""
        if act not in self._executors:
            raise ActRefused(Why.IMPOSSIBLE, f"{act.value} cannot be done here")
        request = await self.requests.add(NewRequest(uuid4(), act, subject, params, reasoned(reason), named(person)))
        _log.info("staff_asked", act=act.value, subject=subject, request=str(request.id), person=request.requested_by)
        if not needs_second_person(act):
            await self._run(request)
        return request.id

    async def decide(self, request_id: UUID, person: str, approve: bool) -> Outcome:
        """Agree or turn down, as the second person. What is agreed to is done at once, or begun.

        Raises ActRefused: unknown, own request, decided already, expired."""
        request = await self.requests.decide(request_id, named(person), approve)
        _log.info(
            "staff_decided", act=request.act.value, request=str(request.id), person=request.decided_by, approve=approve
        )
        if request.status is not RequestStatus.APPROVED:
            return Outcome(request.status, "turned down; nothing was changed")
        return await self._run(request)

    async def run_approved(self) -> int:
        """Go on with what is agreed to and not done; how many requests were looked at. One that meets a
        temporary error waits for the next round."""
        waiting = await self.requests.approved(BATCH)
        done = 0
        for request in waiting:
            try:
                await self._run(request)
                done += 1
            except self._temporary as error:
                _log.warning("staff_act_waits", request=str(request.id), error=type(error).__name__)
        return done

    async def _run(self, request: StaffRequest) -> Outcome:
        try:
            executed = await self._executors[request.act](request)
        except ActRefused as error:
            return await self._finish(request, RequestStatus.FAILED, str(error))
        except self._temporary:
            self._doorbell.ring(Work.STAFF_ACTS)
            raise
        except Exception as error:
            _log.exception("staff_act_failed", act=request.act.value, request=str(request.id))
            return await self._finish(request, RequestStatus.FAILED, f"an error of ours: {type(error).__name__}")
        if not executed.finished:
            self._doorbell.ring(Work.STAFF_ACTS)
            return Outcome(RequestStatus.APPROVED, executed.outcome)
        return await self._finish(
            request, RequestStatus.DONE if executed.ok else RequestStatus.FAILED, executed.outcome
        )

    async def _finish(self, request: StaffRequest, status: RequestStatus, outcome: str) -> Outcome:
        if not await self.requests.finish(request.id, status, outcome):
            # Another process was faster; what it wrote stands.
            written = await self.requests.read(request.id, None)
            if written is not None:
                return Outcome(written.status, written.outcome or "")
        _log.info("staff_act_finished", act=request.act.value, request=str(request.id), status=status.value)
        return Outcome(status, outcome)


APPROVALS: web.AppKey[StaffActs] = web.AppKey("approvals", StaffActs)
