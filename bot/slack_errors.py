"""What an error of Slack's Web API means for a delivery: try again, choose another channel, or never again."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError

LONGEST_WAIT: Final = 300.0
NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What the client raises when no answer came; whether Slack carried the call out is not known then."""
_UNSAID_WAIT: Final = 30.0
_NO_CODE: Final = "http_"


class Meaning(Enum):
    """What to do about it."""

    WAIT = auto()
    """Rate limited, or Slack (or something on the way to it) has trouble: the same again later."""
    ELSEWHERE = auto()
    """The bot cannot write there: use the default channel."""
    GONE = auto()
    """The message that was to be changed, or replied to, is out of reach: post anew."""
    LOCKED_OUT = auto()
    """The token is not accepted: nothing can be delivered until someone mends that."""
    NEVER = auto()
    """The same message will be refused again."""


_TROUBLE: Final = frozenset(
    {
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
_ELSEWHERE: Final = frozenset({"channel_not_found", "is_archived", "messages_tab_disabled", "not_in_channel"})
_RESTRICTED: Final = "restricted_action"
"""Who may post where; Slack has a family of codes that begin with it."""
_GONE: Final = frozenset(
    {
        "cannot_reply_to_message",
        "cant_update_message",
        "edit_window_closed",
        "message_not_found",
        "thread_not_found",
    }
)
_LOCKED_OUT: Final = frozenset(
    {
        "access_denied",
        "accesslimited",
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)


def error_code(error: SlackApiError) -> str:
    """Return Slack's own word for it, or `http_<status>` where it has none."""
    body = getattr(error.response, "data", None)
    code = body.get("error") if isinstance(body, Mapping) else None
    return str(code) if code else f"{_NO_CODE}{_status(error)}"


def meaning(error: SlackApiError) -> Meaning:
    """Classify *error*; a code that is not known is permanent, an answer without a code is not Slack's last word."""
    code, status = error_code(error), _status(error)
    if code in _TROUBLE or code.startswith(_NO_CODE) or status == 429 or status >= 500:
        return Meaning.WAIT
    if code in _ELSEWHERE or code.startswith(_RESTRICTED):
        return Meaning.ELSEWHERE
    if code in _LOCKED_OUT:
        return Meaning.LOCKED_OUT
    return Meaning.GONE if code in _GONE else Meaning.NEVER


def is_rate_limit(error: SlackApiError) -> bool:
    """Return whether Slack asks to be called less often; nothing was carried out then."""
    return _status(error) == 429 or error_code(error) == "ratelimited"


def wait_asked(error: SlackApiError) -> float:
    """Return the seconds that Slack asks to wait: between 1 and 300; 30 where it does not say, or not clearly."""
    said = str((getattr(error.response, "headers", None) or {}).get("Retry-After", "")).strip()
    return min(LONGEST_WAIT, max(1.0, float(said))) if said.isascii() and said.isdecimal() else _UNSAID_WAIT


def _status(error: SlackApiError) -> int:
    # A body that cannot be parsed reaches us as aiohttp's response instead of the SDK's.
    status = getattr(error.response, "status_code", None) or getattr(error.response, "status", 0)
    return int(status or 0)
