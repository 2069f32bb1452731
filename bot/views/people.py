"""How people and other actors are written: Slack users as mentions, everybody else as text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.views import blocks
from bot.views.blocks import Block
from bot.views.plain import exact

_SLACK_ACTOR: Final = re.compile(r"slack:[TE][A-Z0-9]+/([UW][A-Z0-9]+)")
_SLACK_USER: Final = re.compile(r"[UW](?=[A-Z]*[0-9])[A-Z0-9]{3,}")
_NAME: Final = 50
_MOST_NAMES: Final = 8


def person(name: str) -> Block:
    """Return a configured name as text, and `slack:T…/U…` or a bare user id as a mention.

    Only for people known to the policy: an approver, whoever decided. Never for a name that an alert or client gave.
    """
    user_id = _user_id(name)
    return blocks.user(user_id) if user_id else blocks.text(exact(name, _NAME))


def people(names: Sequence[str]) -> list[Block]:
    """Return at most eight people, comma-separated, and how many more there are."""
    return _enumerated([person(name) for name in names])


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Whom a message is for."""

    users: tuple[str, ...] = ()
    """Ids of Slack users, who are mentioned."""
    groups: tuple[str, ...] = ()
    """Ids of Slack user groups, which are mentioned."""
    names: tuple[str, ...] = ()
    """Those whom Slack does not know, as the configuration calls them."""


def mentions(audience: Audience) -> list[Block]:
    """Return at most eight of those whom a message is for, comma-separated, and how many more there are."""
    return _enumerated(
        [
            *(blocks.usergroup(group) for group in audience.groups),
            *(blocks.user(user) for user in audience.users),
            *(blocks.text(exact(name, _NAME)) for name in audience.names),
        ]
    )


def spoken(names: Sequence[str]) -> str:
    """Return the same as plain text, for where mentions are not wanted."""
    shown = ", ".join(exact(_user_id(name) or name, _NAME) for name in names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _enumerated(everybody: Sequence[Block]) -> list[Block]:
    shown = [part for one in everybody[:_MOST_NAMES] for part in (one, blocks.text(", "))]
    more = len(everybody) - _MOST_NAMES
    return [*shown, blocks.text(f"and {more} more")] if more > 0 else shown[:-1]


def _user_id(name: str) -> str | None:
    actor = _SLACK_ACTOR.fullmatch(name)
    if actor:
        return actor[1]
    return name if _SLACK_USER.fullmatch(name) else None
