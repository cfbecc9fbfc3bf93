"""Faults that tests and demonstrations order from the simulated operators."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from sandbox.phones.faults import Section

CallbackMode = Literal["once", "none", "twice", "many", "put", "forged", "wrong_amount", "before_answer"]


class CallbackFaults(Section):
    """How the callback of a finished payment travels.

    `forged`: one that claims success goes out at once, whatever becomes of the payment.
    `wrong_amount`: it names ten times what was paid. `before_answer`: it arrives before the answer
    to the request (where the payment can be final so early). `reorder`: every other one waits
    300 ms longer. `extra_fields`: Orange adds `order_id` and `amount`.
    """

    mode: CallbackMode = "once"
    delay_ms: float = Field(0, ge=0)
    reorder: bool = False
    extra_fields: bool = False


class StatusFaults(Section):
    """How a status question is answered.

    `not_found_first`: 404 to the first questions about each payment. `unknown_word`: an
    undocumented status. `garbage`: 200 with bytes that mean nothing. `http_503_seconds`: unavailable from
    the moment it is ordered. `rate_limit_per_second`: 429 above it; 0 is no limit, absent what the
    operator documents. `delayed_seconds`: when MTN's "delayed" test number succeeds. `answer_200`:
    Orange answers 200 in place of 201.
    """

    not_found_first: int = Field(0, ge=0)
    unknown_word: bool = False
    garbage: bool = False
    http_503_seconds: float = Field(0, ge=0)
    reason_as_object: bool = False
    amount_as_number: bool = False
    rate_limit_per_second: int | None = Field(None, ge=0)
    delayed_seconds: float = Field(10, ge=0)
    answer_200: bool = False


class RequestFaults(Section):
    """How a new money request is received.

    `drop_before`, `drop_after`: the connection is cut before or after it was registered.
    `error_500`: a code to answer with; nothing is registered unless `error_500_registered`.
    `html`: a firewall's page. `too_many`: 429, nothing is registered. `garbage`: it is registered, and
    answered 200 with bytes that mean nothing. `refuse_at_post`: MTN's refusing test numbers refuse at
    once. `refusal_as_200`: Cameroon's Orange
    refuses with 200 and a code in the answer. `xml`: its gateway answers 503 in XML. `share`: to how
    many of the calls the first seven apply, evenly spread, 1 is all.
    """

    drop_before: bool = False
    drop_after: bool = False
    error_500: str = ""
    error_500_registered: bool = False
    html: bool = False
    too_many: bool = False
    garbage: bool = False
    refuse_at_post: bool = False
    refusal_as_200: bool = False
    xml: bool = False
    share: float = Field(1, ge=0, le=1)


class Faults(Section):
    """Everything that can be ordered from one operator. Defaults are no faults.

    `latency_ms`: added to every answer. `prompt_delay_ms`:
    from the request to the prompt. `push`: False sends an SMS in place of the prompt.
    `busy_prompt`: what a prompt does that meets an open USSD dialogue. `token_seconds`,
    `expire_after_seconds`: absent, what the operator documents. `pending_seconds`: money that
    takes its time after the payer's approval. `default_balance`: of a wallet not yet used.
    `limit`: the most that one payment may be, whole units, 0 is no limit. `float_balance`: all that was
    ever put into the wallet that the merchant pays out of. `fee_per_mille`: what the operator keeps of
    each collection, `dispute_fee` of a disputed one, however that ends. `only`: the direction of money to
    which the three sections apply.
    """

    autopay: bool = False
    autodecline: bool = False
    latency_ms: float = Field(0, ge=0)
    prompt_delay_ms: float = Field(250, ge=0)
    push: bool = True
    busy_prompt: Literal["fail", "delay"] = "fail"
    token_seconds: float | None = Field(None, gt=0)
    expire_after_seconds: float | None = Field(None, gt=0)
    pending_seconds: float = Field(0, ge=0)
    default_balance: int = Field(100_000, ge=0)
    limit: int = Field(0, ge=0)
    float_balance: int = Field(100_000_000, ge=0)
    fee_per_mille: int = Field(0, ge=0, le=1000)
    dispute_fee: int = Field(0, ge=0)
    only: Literal["both", "collections", "disbursements"] = "both"
    callback: CallbackFaults = CallbackFaults()
    status: StatusFaults = StatusFaults()
    request: RequestFaults = RequestFaults()

    def concerning(self, *, disbursements: bool) -> "Faults":
        """What is ordered for one direction of money: the three sections are without faults for the other."""
        if self.only == "both" or (self.only == "disbursements") == disbursements:
            return self
        quiet = {"callback": CallbackFaults(), "status": StatusFaults(), "request": RequestFaults()}
        return self.model_copy(update=quiet)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` laid over `old`, objects inside objects too."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


class FaultBoard:
    """The faults in force: one set for all operators, and what differs for single ones."""

    def __init__(self, codes: Iterable[str]) -> None:
        self._codes = tuple(codes)
        self.reset()

    def reset(self) -> None:
        """Back to no faults."""
        self._common = Faults().model_dump()
        self._own: dict[str, dict[str, Any]] = {}
        self._down_since: dict[str, float] = {}
        self._rebuild()

    def names(self) -> frozenset[str]:
        """Keys that `merge` understands."""
        return frozenset((*Faults.model_fields, *self._codes))

    def merge(self, patch: Mapping[str, Any]) -> None:
        """Lay a patch over what is in force. Raises pydantic.ValidationError, then nothing changed."""
        common = merged(self._common, {key: value for key, value in patch.items() if key not in self._codes})
        own = {code: merged(self._own.get(code, {}), patch.get(code) or {}) for code in self._codes}
        for code in self._codes:
            Faults.model_validate(merged(common, own[code]))
        self._common, self._own = Faults.model_validate(common).model_dump(), own
        for code in self._codes:
            for part in (patch, patch.get(code) or {}):
                if "http_503_seconds" in (part.get("status") or {}):
                    self._down_since[code] = time.monotonic()
        self._rebuild()

    def _rebuild(self) -> None:
        self._in_force = {
            code: Faults.model_validate(merged(self._common, self._own.get(code, {}))) for code in self._codes
        }

    def of(self, code: str) -> Faults:
        """What is ordered from one operator."""
        return self._in_force[code]

    def is_down(self, code: str, *, disbursements: bool = False) -> bool:
        """Whether status questions are answered 503 at this moment."""
        since, faults = self._down_since.get(code), self.of(code).concerning(disbursements=disbursements)
        return since is not None and time.monotonic() < since + faults.status.http_503_seconds

    def state(self) -> dict[str, Any]:
        """All that is in force, as `POST /control` takes it."""
        return {**self._common, **{code: own for code, own in self._own.items() if own}}
