"""Every id that Slack carries for us; the manifest and the listeners are held to these."""

from enum import StrEnum


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
    DIGEST = "digest"
    HELP = "help"


class Button(StrEnum):
    """The `action_id` of every button."""

    APPROVE = "proposal.approve"
    CANCEL = "proposal.cancel"
    DETAILS = "proposal.details"
    KILL = "kill_switch.throw"


class Modal(StrEnum):
    """The `callback_id` of every modal."""

    DETAILS = "details.read"
    CANCEL_REASON = "cancellation.explain"


class Field(StrEnum):
    """The `block_id` and `action_id` of every input."""

    REASON = "reason.enter"


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
