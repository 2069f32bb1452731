"""Every id that Slack carries for us; the manifest and the listeners are held to these."""

from enum import StrEnum
from typing import Final


class SlashCommand(StrEnum):
    """The commands that the app registers."""

    OPERATOR = "/operator"


class Subcommand(StrEnum):
    """The first word after `/operator`."""

    STATUS = "status"
    MODE = "mode"
    KILL_SWITCH = "kill-switch"
    LIST = "list"
    SHOW = "show"
    APPROVE = "approve"
    CANCEL = "cancel"
    REVIEWS = "reviews"
    DIGEST = "digest"
    HELP = "help"


class Button(StrEnum):
    """The `action_id` of every button."""

    APPROVE = "proposal.approve"
    CANCEL = "proposal.cancel"
    DETAILS = "proposal.details"
    CONFIRM = "proposal.confirm"
    """Approve, where the target's name has to be typed first."""
    PREVIEW = "proposal.preview"
    EDIT = "proposal.edit"
    BREAK_GLASS = "proposal.break_glass"
    ABORT = "proposal.abort"
    UNDO = "action.undo"
    RETRY = "action.retry"
    RESOLVE = "outcome.resolve"
    REVIEW = "review.close"
    KILL = "kill_switch.throw"
    SNOOZE = "reminder.snooze"
    SNOOZE_LONGER = "reminder.snooze_longer"


class Modal(StrEnum):
    """The `callback_id` of every modal."""

    DETAILS = "details.read"
    CANCEL_REASON = "cancellation.explain"
    EDIT = "parameters.edit"
    RETRY = "parameters.retry"
    CONFIRM = "approval.confirm"
    BREAK_GLASS = "break_glass.run"
    RESOLVE = "outcome.settle"
    REVIEW = "review.comment"
    STOP = "kill_switch.reason"
    STOP_REASON = "stop.explain"


class Field(StrEnum):
    """The `block_id` and `action_id` of every input but those for an action's parameters."""

    REASON = "reason.enter"
    REASON_CODE = "reason.code"
    TARGET = "target.enter"
    HAPPENED = "outcome.choose"
    EVIDENCE = "evidence.enter"
    COMMENT = "comment.enter"


class Entry(StrEnum):
    """The `action_id` of an input for a parameter, which says how what is entered reads."""

    TEXT = "parameter.text"
    """As it stands, but for space around it."""
    LINES = "parameter.lines"
    """A list, one item per line."""
    NUMBER = "parameter.number"
    CHOICE = "parameter.choice"
    """The value of an option is JSON."""
    JSON = "parameter.json"


PARAMETER: Final = "parameter."
"""What the `block_id` of an input for a parameter begins with; the parameter's name follows."""


class Shortcut(StrEnum):
    """The `callback_id` of every entry in the menu of a message."""

    WHAT_IS_THIS = "message.explain"


class Event(StrEnum):
    """The Events API events that the app subscribes to."""

    HOME_OPENED = "app_home_opened"


class MessageEvent(StrEnum):
    """The metadata event type of every message that delivery may have to find again."""

    CARD = "operator_card"
    RESULT = "operator_result"
    DIAGNOSIS = "operator_diagnosis"
    ANNOUNCEMENT = "operator_announcement"
    DIGEST = "operator_digest"
    REMINDER = "operator_reminder"
