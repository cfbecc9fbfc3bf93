"""Faults that tests and demonstrations order from the aggregator, the carrier and the phones."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SmsFaults(_Section):
    """How texts travel.

    Outbound: `charset` adds one to the content type; `no_recipients` answers 201 with an empty
    list; `error` is an HTTP status to refuse with, 0 none; `recipient_status` an Africa's Talking
    status code for each recipient, 0 none; `slow_after_send_ms` delays the answer after the text was
    delivered. Reports: `delivery` and `delivery_delay_ms` between them; `early` comes before the
    answer. Inbound: `repeat_seconds` until HTTP 200, `inbound_twice` under two ids, `iso_date`.
    """

    charset: bool = False
    no_recipients: bool = False
    error: int = Field(0, ge=0, le=599)
    recipient_status: int = Field(0, ge=0, le=599)
    slow_after_send_ms: float = Field(0, ge=0)
    delivery: Literal["normal", "none", "twice", "reversed", "failed", "early", "unknown_word"] = "normal"
    delivery_delay_ms: float = Field(500, ge=0)
    repeat_seconds: float = Field(60, gt=0)
    inbound_twice: bool = False
    iso_date: bool = False


class UssdFaults(_Section):
    """How dialogues run.

    `repeat_hop`: every hop is sent twice. `lose_answer`: the answer never reaches the phone.
    `deep_dial`: where the tail of a one-dial string arrives. `network_code`, `plain_plus`: what
    is seen in the wild in place of the documented form. `end_notice`: tell when a session ended;
    null: where the aggregator always does. `aggregator`: who serves codes that are no operator's
    own. `service_codes`: registered codes of more than one segment. `answer_seconds`,
    `session_seconds`, `idle_seconds`: limits. `septets_max`: of a screen.
    """

    repeat_hop: bool = False
    lose_answer: bool = False
    deep_dial: Literal["text", "service_code", "lost"] = "text"
    network_code: Literal["normal", "missing", "word"] = "normal"
    plain_plus: bool = False
    end_notice: bool | None = None
    aggregator: str = "africastalking"
    service_codes: tuple[str, ...] = Field((), strict=False)
    answer_seconds: float = Field(10, gt=0)
    session_seconds: float = Field(180, gt=0)
    idle_seconds: float = Field(60, gt=0)
    septets_max: int = Field(182, gt=0)


class ChannelFaults(_Section):
    """Everything that can be ordered on this side. Defaults are a good day."""

    sms: SmsFaults = SmsFaults()
    ussd: UssdFaults = UssdFaults()
