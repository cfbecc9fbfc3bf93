"""What mails there are, how one reads, and when it is tried again. Plain functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.http.phrases import moment_of


class MailKind(StrEnum):
    """What a mail is about: its phrases are `mail_<kind>.subject` and `.text`."""

    INVITATION = "invitation"
    RESET = "reset"
    LOCKED = "locked"
    NEW_DEVICE = "new_device"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - a word, no token
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a word, no password
    FACTOR_CHANGED = "factor_changed"
    NOMINATION_LINK = "nomination_link"
    NOMINATION_APPROVED = "nomination_approved"
    NOMINATION_REJECTED = "nomination_rejected"
    FACTOR_RESET = "factor_reset"
    FACTOR_RESET_STOPPED = "factor_reset_stopped"
    FEES = "fees"
    NOMINATION_CHANGE_TAKEN = "nomination_change_taken"
    NOMINATION_CHANGE_REFUSED = "nomination_change_refused"
    NOMINATION_VIDEO_TAKEN = "nomination_video_taken"
    NOMINATION_VIDEO_REFUSED = "nomination_video_refused"
    FIRST_OWNER = "first_owner"
    ORGANISER_STATE = "organiser_state"
    ALERT = "alert"
    PLATFORM_ALERT = "platform_alert"
    ALERTS_STOPPED = "alerts_stopped"


class FactorChange(StrEnum):
    """What was changed about a second factor."""

    APP_SET = "app_set"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    TAKEN_AWAY = "taken_away"


# Seconds before the next try, by tries so far; after the last one a mail is given up.
RETRY_SECONDS: Final = (30, 120, 600, 3_600, 4 * 3_600, 12 * 3_600)
# Facts that are codes of ours, each with the section that names them in words.
_IN_WORDS: Final[Mapping[str, str]] = {
    "role": "admin_role",
    "what": "mail_what",
    "state": "mail_state",
    "method": "admin_method",
    "alert": "admin_alert",
    "channel": "admin_alert_channel",
}
# The way to pay of a fee plan that is for all without one of their own.
EVERY_OTHER: Final = "every_other"
# Facts that are written with a decimal point.
_DECIMAL: Final = frozenset({"percent"})
# Facts that are moments, in ISO 8601.
_MOMENTS: Final = frozenset({"at", "since", "until"})


@dataclass(frozen=True, slots=True)
class Written:
    """A mail as it is read."""

    subject: str
    text: str


def write(phrases: Mapping[str, str], kind: str, facts: Mapping[str, str]) -> Written:
    """The mail of this kind in the language of these phrases. Raises KeyError for what has no phrase."""
    named = in_words(phrases, facts)
    subject, text = (phrases[f"mail_{kind}.{part}"].format(**named) for part in ("subject", "text"))
    foot = phrases["mail.foot_nominee" if kind.startswith("nomination_") else "mail.foot"]
    return Written(subject, f"{text.strip()}\n\n{foot.strip()}\n")


def in_words(phrases: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """What a mail says of these facts, in the language of these phrases. Raises KeyError for a code without a name."""
    return {name: _worded(phrases, name, fact) for name, fact in facts.items()}


def _worded(phrases: Mapping[str, str], name: str, fact: str) -> str:
    if name in _MOMENTS:
        return moment_of(phrases, datetime.fromisoformat(fact))
    if name in _IN_WORDS:
        return phrases[f"{_IN_WORDS[name]}.{fact}"]
    return fact.replace(".", phrases["admin_fees.comma"]) if name in _DECIMAL else fact


def retry_seconds(attempts: int) -> int | None:
    """How long to wait after so many tries; None: no more."""
    return RETRY_SECONDS[attempts - 1] if attempts <= len(RETRY_SECONDS) else None
