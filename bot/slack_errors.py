"""What an error of Slack's Web API means for a delivery: try again, choose another channel, or never again."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from slack_sdk.errors import SlackApiError

LONGEST_WAIT: Final = 300.0
_UNSAID_WAIT: Final = 30.0


class Meaning(Enum):
    """What to do about it."""

    WAIT = auto()
    """Rate limited, or Slack has trouble of its own: the same again later."""
    ELSEWHERE = auto()
    """The bot cannot write there: use the default channel."""
    GONE = auto()
    """The message that was to be changed is not there any more: post it anew."""
    LOCKED_OUT = auto()
    """The token is not accepted: nothing can be delivered until someone mends that."""
    NEVER = auto()
    """The same message will be refused again."""


_ELSEWHERE: Final = frozenset(
    {"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "restricted_action_read_only_channel"}
)
_LOCKED_OUT: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "org_login_required",
    }
)
_TROUBLE: Final = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})


def error_code(error: SlackApiError) -> str:
    """Return Slack's own word for it, or `http_<status>` where it has none."""
    body = error.response.data
    code = body.get("error") if isinstance(body, Mapping) else None
    return str(code) if code else f"http_{error.response.status_code}"


def meaning(error: SlackApiError) -> Meaning:
    """Classify *error*; what is not known is permanent unless the status is 429 or 5xx."""
    code = error_code(error)
    if code in _TROUBLE or error.response.status_code == 429 or error.response.status_code >= 500:
        return Meaning.WAIT
    if code in _ELSEWHERE:
        return Meaning.ELSEWHERE
    if code in _LOCKED_OUT:
        return Meaning.LOCKED_OUT
    return Meaning.GONE if code == "message_not_found" else Meaning.NEVER


def wait_asked(error: SlackApiError) -> float:
    """Return the seconds that Slack asks to wait: between 1 and 300; 30 where it does not say, or not clearly."""
    said = str((error.response.headers or {}).get("Retry-After", ""))
    return min(LONGEST_WAIT, max(1.0, float(said))) if said.isdecimal() else _UNSAID_WAIT
