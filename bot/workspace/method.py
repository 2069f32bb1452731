"""What the Web API knows about a method before it runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.workspace.call import Call
from bot.workspace.records import Json


class TokenKind(StrEnum):
    """Which token a method takes."""

    NONE = "none"
    BOT = "bot"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Method:
    """A method: what it does and what it needs. *scope* is checked before it runs; some check a second one inside."""

    run: Callable[[Call], Json]
    scope: str | None = None
    token: TokenKind = TokenKind.BOT
