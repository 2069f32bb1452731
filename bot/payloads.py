"""What Slack sends, read once at the edge. What passes is whole and well-formed; the rest is a `BadRequestError`."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from actions.errors import BadRequestError
from actions.models import Actor, Caller, Seen, Via
from bot import ids

LONGEST_VALUE: Final = 2_000


def _storable(text: str) -> str:
    # A person's words must not be refused for a stray byte: a kill switch with an odd reason is still a kill switch.
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


_TeamId = Annotated[str, StringConstraints(pattern=r"\A[TE][A-Z0-9]{1,30}\z")]
_UserId = Annotated[str, StringConstraints(pattern=r"\A[UW][A-Z0-9]{1,30}\z")]
_AppId = Annotated[str, StringConstraints(pattern=r"\AA[A-Z0-9]{1,30}\z")]
_ChannelId = Annotated[str, StringConstraints(pattern=r"\A[CDG][A-Z0-9]{1,30}\z")]
_ViewId = Annotated[str, StringConstraints(pattern=r"\AV[A-Z0-9]{1,30}\z")]
_Timestamp = Annotated[str, StringConstraints(pattern=r"\A[0-9]{1,13}\.[0-9]{1,6}\z")]
_Token = Annotated[str, StringConstraints(pattern=r"\A[!-~]{1,255}\z")]
_Url = Annotated[str, StringConstraints(pattern=r"\Ahttps?://[!-~]{1,2990}\z")]
_Words = Annotated[str, AfterValidator(_storable)]
_ProposalId = Annotated[int, Field(ge=1, le=2**53)]
_ButtonToken = Annotated[str, StringConstraints(pattern=r"\A[!-~]{16,200}\z")]
_ParamsHash = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def compact(self) -> str:
        """Return the one spelling that is read again."""
        return json.dumps(self.model_dump(), separators=(",", ":"))


class ButtonValue(_Value):
    """What decides at once, or opens a form that does: which proposal, its card's secret, and the parameters shown."""

    p: _ProposalId
    t: _ButtonToken
    h: _ParamsHash


class ProposalRef(_Value):
    """What carries no right to decide: the proposal that a button or a modal is about."""

    p: _ProposalId


class ConfirmRef(_Value):
    """What a form carries that an approval depends on: the values of the button, and the card that it was on."""

    p: _ProposalId
    t: _ButtonToken
    h: _ParamsHash
    c: _ChannelId
    m: _Timestamp

    def seen(self, team_id: str) -> Seen:
        """Return what was on the card when the form was opened, to be compared with what is stored."""
        return Seen(button_token=self.t, params_hash=self.h, team_id=team_id, channel_id=self.c, message_ts=self.m)


class ScopeRef(_Value):
    """What a stop is about: `*` for everything, or a subject."""

    s: Annotated[str, StringConstraints(pattern=r"\A(?:\*|[a-z][a-z0-9_-]{0,62})\z")]


class SnoozeValue(_Value):
    """What a Snooze button carries: which proposal, and for how many minutes."""

    p: _ProposalId
    m: Annotated[int, Field(ge=1, le=1_440)]


class StopRef(_Value):
    """Which stop is explained: the line of the audit log that records it."""

    e: Annotated[int, Field(ge=1, le=2**53)]


V = TypeVar("V", bound=_Value)


def _reader(kind: type[V]) -> BeforeValidator:
    def read(value: object) -> V:
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise ValueError("not one of our values")
        found = kind.model_validate_json(value)
        if found.compact() != value:
            raise ValueError("not spelled as we spell it")
        return found

    return BeforeValidator(read)


_ButtonValue = Annotated[ButtonValue, _reader(ButtonValue)]
_ProposalRef = Annotated[ProposalRef, _reader(ProposalRef)]
_SnoozeValue = Annotated[SnoozeValue, _reader(SnoozeValue)]
_ConfirmRef = Annotated[ConfirmRef, _reader(ConfirmRef)]
_ScopeRef = Annotated[ScopeRef, _reader(ScopeRef)]
_StopRef = Annotated[StopRef, _reader(StopRef)]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    what: ClassVar[str]

    app_id: _AppId = Field(validation_alias="api_app_id")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read what Slack sent.

        Raises:
            BadRequestError: naming the first thing that is missing or malformed, never its content.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            # Deeper parts can be keys that somebody else chose.
            place = error.errors(include_input=False)[0]["loc"][:3]
            where = ".".join(map(str, place)) or "payload"
            raise BadRequestError(
                f"Slack sent {cls.what} that cannot be read (at {where}); nothing was changed. Please try again."
            ) from None


class _Interaction(_Payload):
    team_id: _TeamId = Field(validation_alias=AliasPath("team", "id"))
    """The workspace in which it happened."""
    user_id: _UserId = Field(validation_alias=AliasPath("user", "id"))
    user_team_id: _TeamId | None = Field(default=None, validation_alias=AliasPath("user", "team_id"))
    """The person's own workspace, which differs in channels shared with others."""

    @property
    def actor(self) -> Actor:
        """The person, named by his own workspace."""
        return Actor.slack(self.user_team_id or self.team_id, self.user_id)

    @property
    def is_foreign(self) -> bool:
        """Whether the person belongs to another workspace."""
        return self.user_team_id not in {None, self.team_id}

    @property
    def key(self) -> str:
        """What is the same only for the same interaction, delivered again."""
        raise NotImplementedError

    @property
    def caller(self) -> Caller:
        """Who asks, for the core."""
        return Caller(actor=self.actor, via=Via.SLACK, key=self.key)


class _Press(_Interaction):
    type: Literal["block_actions"]
    trigger_id: _Token
    """Opens a modal; good once, for 3 s."""
    action_id: _Token = Field(validation_alias=AliasPath("actions", 0, "action_id"))
    action_ts: _Timestamp = Field(validation_alias=AliasPath("actions", 0, "action_ts"))

    @model_validator(mode="before")
    @classmethod
    def _one_action(cls, body: Any) -> Any:
        actions = body.get("actions") if isinstance(body, Mapping) else None
        if not isinstance(actions, list) or len(actions) != 1:
            raise ValueError("not one action")
        return body


class ButtonPress(_Press):
    """A press of a button on a card that decides, or opens a form that does."""

    what = "a button press"

    surface: Literal["message"] = Field(validation_alias=AliasPath("container", "type"))
    channel: _ChannelId = Field(validation_alias=AliasPath("container", "channel_id"))
    message_ts: _Timestamp = Field(validation_alias=AliasPath("container", "message_ts"))
    thread: _Timestamp | None = Field(default=None, validation_alias=AliasPath("container", "thread_ts"))
    """The thread that the card is part of; None if it stands by itself."""
    response_url: _Url | None = None
    value: _ButtonValue = Field(validation_alias=AliasPath("actions", 0, "value"))

    @property
    def proposal_id(self) -> int:
        """The proposal on the card."""
        return self.value.p

    @property
    def seen(self) -> Seen:
        """What was on the card, to be compared with what is stored."""
        return self.ref.seen(self.team_id)

    @property
    def ref(self) -> ConfirmRef:
        """The same, as a form that the press opens carries it."""
        return ConfirmRef(p=self.value.p, t=self.value.t, h=self.value.h, c=self.channel, m=self.message_ts)

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.channel}:{self.message_ts}:{self.action_id}:{self.action_ts}"


class ProposalPress(_Press):
    """A press of a button that carries no right to decide, on a card, an answer, a reply or the App Home."""

    what = "a button press"

    value: _ProposalRef = Field(validation_alias=AliasPath("actions", 0, "value"))

    @property
    def proposal_id(self) -> int:
        """The proposal that the button is about."""
        return self.value.p

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.user_id}:{self.action_id}:{self.action_ts}"


class SnoozePress(_Press):
    """A press of a Snooze button on a reminder."""

    what = "a button press"

    surface: Literal["message"] = Field(validation_alias=AliasPath("container", "type"))
    channel: _ChannelId = Field(validation_alias=AliasPath("container", "channel_id"))
    message_ts: _Timestamp = Field(validation_alias=AliasPath("container", "message_ts"))
    value: _SnoozeValue = Field(validation_alias=AliasPath("actions", 0, "value"))

    @property
    def proposal_id(self) -> int:
        """The proposal that people are reminded of."""
        return self.value.p

    @property
    def lasting(self) -> timedelta:
        """How long there are to be no reminders."""
        return timedelta(minutes=self.value.m)

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.channel}:{self.message_ts}:{self.action_id}:{self.action_ts}"


class HomePress(_Press):
    """A press of a kill switch in the App Home."""

    what = "a button press"

    surface: Literal["view"] = Field(validation_alias=AliasPath("container", "type"))
    view_id: _ViewId = Field(validation_alias=AliasPath("container", "view_id"))
    value: _ScopeRef = Field(validation_alias=AliasPath("actions", 0, "value"))

    @property
    def scope(self) -> str:
        """What is to be stopped: `*` or a subject."""
        return self.value.s

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.view_id}:{self.action_id}:{self.action_ts}"


class MessageShortcut(_Interaction):
    """A choice from the menu of a message, which anybody can have written, in any conversation."""

    what = "a shortcut"

    app_id: _AppId | None = Field(default=None, validation_alias="api_app_id")  # type: ignore[assignment]  # Slack leaves it out here
    type: Literal["message_action"]
    callback_id: _Token
    trigger_id: _Token
    """Opens a modal; good once, for 3 s."""
    channel: _ChannelId = Field(validation_alias=AliasPath("channel", "id"))
    message_ts: _Timestamp
    thread: _Timestamp | None = Field(default=None, validation_alias=AliasPath("message", "thread_ts"))
    """The thread that the message is part of; None if it stands by itself."""
    response_url: _Url | None = None

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.channel}:{self.message_ts}:{self.callback_id}:{self.trigger_id}"


class CommandCall(_Interaction):
    """A slash command."""

    what = "a command"

    team_id: _TeamId
    user_id: _UserId
    channel: _ChannelId = Field(validation_alias="channel_id")
    command: _Token
    text: _Words = ""
    trigger_id: _Token
    response_url: _Url

    @property
    def verb(self) -> str:
        """The first word, in lower case; empty if there is none."""
        return self.text.split(maxsplit=1)[0].lower() if self.text.strip() else ""

    @property
    def rest(self) -> str:
        """What follows the first word."""
        return "".join(self.text.split(maxsplit=1)[1:]).strip()

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.channel}:{self.command}:{self.trigger_id}"


class _Option(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    value: Annotated[str, StringConstraints(pattern=r"\A[ -~]{1,150}\z")]


class Entered(BaseModel):
    """What one input holds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    value: _Words | None = None
    selected_option: _Option | None = None
    selected_options: Sequence[_Option] = ()

    @property
    def text(self) -> str:
        """What was typed, a number too, without surrounding space; empty if nothing was."""
        return (self.value or "").strip()

    @property
    def choice(self) -> str | None:
        """The value of the option that was chosen, if one was."""
        return self.selected_option.value if self.selected_option else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of the boxes that were ticked."""
        return tuple(option.value for option in self.selected_options)


class _ViewEvent(_Interaction):
    view_id: _ViewId = Field(validation_alias=AliasPath("view", "id"))
    view_hash: _Token = Field(validation_alias=AliasPath("view", "hash"))
    callback_id: _Token = Field(validation_alias=AliasPath("view", "callback_id"))

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:{self.view_id}:{self.callback_id}:{self.view_hash}"


class _AboutProposal(_ViewEvent):
    subject: _ProposalRef = Field(validation_alias=AliasPath("view", "private_metadata"))

    @property
    def proposal_id(self) -> int:
        """The proposal that the modal is about."""
        return self.subject.p


class _Submission(_ViewEvent):
    what = "a form"

    type: Literal["view_submission"]
    values: Mapping[str, Mapping[str, Entered]] = Field(validation_alias=AliasPath("view", "state", "values"))

    def entered(self, field: ids.Field) -> str:
        """Return what was typed into *field*, without surrounding space; empty if nothing was."""
        return self._input(field).text

    def chosen(self, field: ids.Field) -> str | None:
        """Return the value of the option that was chosen in *field*, if one was."""
        return self._input(field).choice

    def _input(self, field: ids.Field) -> Entered:
        return self.values.get(field.value, {}).get(field.value) or Entered()


class ViewSubmission(_AboutProposal, _Submission):
    """A modal about a proposal that was filled in and sent."""


class ConfirmSubmission(_Submission):
    """A modal that was filled in and sent to decide what a card showed."""

    subject: _ConfirmRef = Field(validation_alias=AliasPath("view", "private_metadata"))

    @property
    def proposal_id(self) -> int:
        """The proposal on the card."""
        return self.subject.p

    @property
    def seen(self) -> Seen:
        """What was on the card, to be compared with what is stored."""
        return self.subject.seen(self.team_id)


class StopSubmission(_Submission):
    """The modal of the kill switch, filled in and sent."""

    subject: _ScopeRef = Field(validation_alias=AliasPath("view", "private_metadata"))

    @property
    def scope(self) -> str:
        """What is to be stopped: `*` or a subject."""
        return self.subject.s


class StopReasonSubmission(_Submission):
    """The modal that asks why something was stopped, filled in and sent."""

    subject: _StopRef = Field(validation_alias=AliasPath("view", "private_metadata"))

    @property
    def seq(self) -> int:
        """The line of the audit log that records the stop."""
        return self.subject.e


class ViewClosed(_AboutProposal):
    """A modal that was closed. Closing is no decision: it changes nothing."""

    what = "a closed form"

    type: Literal["view_closed"]


class HomeOpened(_Interaction):
    """Somebody looked at the app's own tab."""

    what = "an event"

    team_id: _TeamId
    type: Literal["app_home_opened"] = Field(validation_alias=AliasPath("event", "type"))
    user_id: _UserId = Field(validation_alias=AliasPath("event", "user"))
    tab: Literal["home", "messages"] = Field(validation_alias=AliasPath("event", "tab"))
    event_id: _Token

    @property
    def key(self) -> str:
        """See `_Interaction.key`."""
        return f"{self.team_id}:event:{self.event_id}"
