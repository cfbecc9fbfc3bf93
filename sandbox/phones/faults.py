"""Faults that tests and demonstrations order from the aggregator, the carrier and the phones."""

from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.courier import instant

_VIOLATIONS_KEPT: Final = 1000


class Section(BaseModel):
    """A group of what can be ordered."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SmsFaults(Section):
    """How texts travel.

    Outbound: `charset` adds one to the content type; `no_recipients` answers 201 with an empty
    list; `error` is an HTTP status to refuse with, 0 none; `recipient_status` an Africa's Talking
    status code for each recipient, 0 none; `slow_after_send_ms` delays the answer after the text was
    delivered. Reports: `delivery` and `delivery_delay_ms` between them; `early` comes before the
    answer. Inbound: `repeat_seconds` until HTTP 200, `inbound_twice` under two ids, `iso_date`;
    `carrier`: who carries what phones send.
    """

    carrier: str = "africastalking"
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


class KannelFaults(Section):
    """How texts travel by Kannel.

    Outbound: `error` is an HTTP status to refuse with, 0 none; `no_route`; `queued` answers that it
    waits for a line; `slow_after_send_ms` delays the answer after the text was delivered. Reports:
    `delivery` and `delivery_delay_ms` between them; `early` comes before the answer, `rejected` in
    place of the text. Inbound: `charset` of the bytes, `inbound_twice` under two ids,
    `inbound_tries` until HTTP 200, `repeat_seconds` between them.
    """

    error: int = Field(0, ge=0, le=599)
    no_route: bool = False
    queued: bool = False
    slow_after_send_ms: float = Field(0, ge=0)
    delivery: Literal["normal", "none", "twice", "reversed", "failed", "rejected", "early", "unknown_value"] = "normal"
    delivery_delay_ms: float = Field(500, ge=0)
    charset: Literal["utf8", "latin1", "utf16"] = "utf8"
    inbound_twice: bool = False
    inbound_tries: int = Field(1, ge=1)
    repeat_seconds: float = Field(10, gt=0)


class TelegramFaults(Section):
    """How the Bot API answers, and how updates come.

    Calls: `error` is what those of `methods` (empty: all that write to a chat) are refused with, 0
    none, 502 as a proxy's HTML page; `error_times` how often, counted from the order on, 0 always;
    `retry_after` of a 429 that is ordered. `slow_ms` delays the work, `slow_after_send_ms` the
    answer after the work was done; `bare_results` leaves required fields out of that answer. Limits,
    counted while `limits` is true: `chat_per_second` with bursts of `chat_burst`, `all_per_second`.
    `query_seconds`: how long a tap can be answered.
    Updates: `double_updates` posts each twice under one number; `repeat_seconds` before the first
    repeat, doubled up to `repeat_seconds_max`; `answer_seconds` to answer.
    """

    error: Literal[0, 400, 401, 403, 409, 429, 500, 502] = 0
    error_times: int = Field(0, ge=0)
    methods: tuple[str, ...] = Field((), strict=False)
    retry_after: int = Field(3, ge=1)
    slow_ms: float = Field(0, ge=0)
    slow_after_send_ms: float = Field(0, ge=0)
    bare_results: bool = False
    limits: bool = True
    chat_per_second: float = Field(1, gt=0)
    chat_burst: int = Field(5, ge=1)
    all_per_second: int = Field(30, ge=1)
    query_seconds: float = Field(900, gt=0)
    double_updates: Literal["no", "after", "at_once"] = "no"
    repeat_seconds: float = Field(1, gt=0)
    repeat_seconds_max: float = Field(60, gt=0)
    answer_seconds: float = Field(60, gt=0)


class CloudinaryFaults(Section):
    """How Cloudinary answers and notifies.

    `error` is an HTTP status to refuse calls with, 0 none; `duration_after_ms`: how long after an upload an asset's
    duration is not known yet. Notifications: `delay_ms` before each; `no_duration` in that of an upload, `forged` with
    another secret, `old` signed three hours ago, each with a hash of `algorithm`; `repeat_seconds` until a 2xx.
    """

    error: int = Field(0, ge=0, le=599)
    duration_after_ms: float = Field(0, ge=0)
    notification: Literal["normal", "none", "twice", "eager_first", "no_duration", "forged", "old"] = "normal"
    algorithm: Literal["sha1", "sha256"] = "sha1"
    delay_ms: float = Field(300, ge=0)
    repeat_seconds: float = Field(2, gt=0)


class UssdFaults(Section):
    """How dialogues run.

    `repeat_hop`: every hop is sent twice. `lose_answer`: the answer never reaches the phone.
    `deep_dial`: where the tail of a one-dial string arrives. `network_code`, `plain_plus`: what
    is seen in the wild in place of the documented form. `end_notice`: notify when a session ended;
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


class ChannelFaults(Section):
    """Everything that can be ordered on this side. Defaults are no faults."""

    sms: SmsFaults = SmsFaults()
    kannel: KannelFaults = KannelFaults()
    ussd: UssdFaults = UssdFaults()
    telegram: TelegramFaults = TelegramFaults()
    cloudinary: CloudinaryFaults = CloudinaryFaults()


class Channel:
    """The state of this side: the faults in force, and what the gateway did wrong."""

    def __init__(self) -> None:
        self.faults = ChannelFaults()
        self.violations: deque[Mapping[str, object]] = deque(maxlen=_VIOLATIONS_KEPT)

    def reset(self) -> None:
        """Back to no faults; what the gateway did wrong is forgotten too."""
        self.faults = ChannelFaults()
        self.violations.clear()

    def violated(self, kind: str, msisdn: str, session: str, detail: str) -> None:
        """Record a breach of the aggregator's rules."""
        self.violations.append({"at": instant(), "kind": kind, "msisdn": msisdn, "session": session, "detail": detail})
