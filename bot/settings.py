"""The configuration: `operator.toml`, the environment above it, and secrets from the environment alone."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from actions.calendar import ALWAYS, ENDLESS, Period
from actions.diagnosis.models import Severity
from actions.models import Risk, SafetyMode, Verb
from actions.policy import DEFAULT_APPROVALS, Clause, Grants, Group, Person, QuorumClause, Scope, UnattendedRule
from actions.reminder_schedule import ReminderSchedule
from bot.settings_problems import contradictions, in_words
from bot.settings_sources import (
    DEFAULT_DATABASE,
    DEFAULT_STATE_DIR,
    Environment,
    File,
    config_file,
    refusal,
    require_place,
)
from bot.settings_values import database_url, duration, grantable, hourly_cron, local_time, masked, zone, zone_name
from bot.timetable import Timetable, cron, daily
from bot.windows import RecurringWindow, ScopedWindow, SingleWindow

Duration = Annotated[timedelta, BeforeValidator(duration), Field(gt=timedelta(0), le=timedelta(days=366))]
"""A length of time: `"15s"`, `"5min"`, `"1h"`, `"7d"`, or a number of seconds."""
LocalTime = Annotated[datetime, BeforeValidator(local_time)]
"""What clocks show in the time zone that stands beside it."""
ZoneName = Annotated[str, AfterValidator(zone_name)]
Channel = Annotated[str, StringConstraints(pattern=r"\A(?:[CGD][A-Z0-9]{2,30}|#[^\s#@<>]{1,80})\z")]
SlackId = Annotated[str, StringConstraints(pattern=r"\A[TE][A-Z0-9]{1,30}/[UW][A-Z0-9]{1,30}\z")]
PersonName = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\z")]
SubjectName = Annotated[str, StringConstraints(pattern=r"\A[a-z][a-z0-9_-]{0,62}\z")]
ShortName = Annotated[str, StringConstraints(pattern=r"\A[a-z0-9][a-z0-9_-]{0,62}\z")]
Names = tuple[str, ...]
GrantableVerb = Annotated[Verb, AfterValidator(grantable)]
_VERBS = 'a list of "approve", "cancel", "kill", "set_mode", "resolve", "propose", "edit", "break_glass", "review"'


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Route(_Section):
    """Where the messages about some subjects and severities go; what is left out matches everything."""

    subject: str | None = Field(default=None, description="the name of a subject", examples=['"etcd"'])
    severity: Severity | None = Field(
        default=None, description='"Critical", "Warning" or "Info"', examples=['"Critical"']
    )
    channel: Channel = Field(description="a channel's id, or its name after #", examples=['"C0123456789"'])

    def matches(self, subject: str, severity: Severity) -> bool:
        """Return whether it applies."""
        return self.subject in {None, subject} and self.severity in {None, severity}


class SubjectSettings(BaseModel):
    """A system acted upon. All keys but `kind` are that kind's own and checked by it."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kind: Literal["etcd", "supervisor"] = Field(description='"etcd" or "supervisor"', examples=['"etcd"'])

    @property
    def options(self) -> Mapping[str, Any]:
        """Everything but `kind`, as it was written."""
        return self.model_extra or {}


class PersonSettings(_Section):
    """One human and all their identities, so that nobody counts twice."""

    slack: tuple[SlackId, ...] = Field(
        default=(), description="a list of T…/U…: workspace and user id", examples=['["T0123/U0456"]']
    )
    cli: tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...] = Field(
        default=(), description="a list of operating-system logins", examples=['["ann"]']
    )


class Approvers(_Section):
    """Who may do what, by the names in `[people]`."""

    approve: Names = Field(default=(), description="a list of names from [people]", examples=['["ann", "bo"]'])
    cancel: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann", "bo"]'])
    kill: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann", "bo"]'])
    set_mode: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann"]'])
    resolve: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann"]'])
    edit: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann", "bo"]'])
    review: Names | None = Field(default=None, description="a list of names from [people]", examples=['["ann", "bo"]'])
    break_glass: Names = Field(default=(), description="a list of names from [people]", examples=['["ann"]'])


class GroupSettings(_Section):
    """People who are allowed, denied or needed together."""

    members: Names = Field(default=(), description="a list of names from [people]", examples=['["ann", "bo"]'])
    slack: Annotated[str, StringConstraints(pattern=r"\AS[A-Z0-9]{2,30}\z")] | None = Field(
        default=None, description="the id of a Slack user group", examples=['"S0614TZR7"']
    )


class ScopeSettings(_Section):
    """Which actions are meant; what is left out matches everything."""

    subject: str = Field(default="*", min_length=1, description="a subject; * stands for anything", examples=['"etcd"'])
    action: str = Field(
        default="*", min_length=1, description="an action; * stands for anything", examples=['"etcd.reclaim_*"']
    )
    risk: tuple[Risk, ...] = Field(
        default=tuple(Risk), min_length=1, description='a list of "low", "medium", "high"', examples=['["high"]']
    )

    @property
    def scope(self) -> Scope:
        """As the policy takes it."""
        return Scope(subject=self.subject, action=self.action, risks=frozenset(self.risk))


class GrantSettings(ScopeSettings):
    """Who may do what with some actions, besides what `[approvers]` says."""

    who: Names = Field(description='a list of names from [people], and "group:NAME"', examples=['["group:dba"]'])
    may: tuple[GrantableVerb, ...] = Field(min_length=1, description=_VERBS, examples=['["approve"]'])


class DenialSettings(ScopeSettings):
    """Who may not do what; it stands above everything that is granted."""

    who: Names = Field(description='a list of names from [people], and "group:NAME"', examples=['["cy"]'])
    may_not: tuple[GrantableVerb, ...] = Field(min_length=1, description=_VERBS, examples=['["approve"]'])


class QuorumSettings(ScopeSettings):
    """How many must approve some actions; where several fit, the strictest counts."""

    approvals: int = Field(default=1, ge=1, le=10, description="how many people, from 1 to 10", examples=["2"])
    needs: Names = Field(
        default=(), description="a list of names from [groups]: one approval from each", examples=['["dba"]']
    )


class UnattendedSettings(_Section):
    """Which actions of low risk run with nobody's approval, where no quorum asks for one."""

    name: ShortName = Field(
        description="a short name in small letters; it stands in the audit log", examples=['"restart-crashed-worker"']
    )
    subject: str = Field(min_length=1, description="a subject; * stands for anything", examples=['"processes"'])
    action: str = Field(
        min_length=1, description="an action; * stands for anything", examples=['"processes.start_process"']
    )

    @model_validator(mode="before")
    @classmethod
    def _of_low_risk(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and "risk" in raw:
            raise ValueError("only actions of low risk run unattended, so a rule names no risk; remove it")
        return raw


class WindowSettings(ScopeSettings):
    """A time that is frozen, or for maintenance: it comes again by cron, or once from a moment until another."""

    name: ShortName = Field(description="a short name in small letters", examples=['"nightly"'])
    cron: Annotated[str, AfterValidator(hourly_cron)] | None = Field(
        default=None, description="a five-field cron expression, when it begins", examples=['"0 22 * * mon-fri"']
    )
    duration: Duration | None = Field(
        default=None,
        ge=timedelta(minutes=1),
        description="how long it lasts each time, at least 1 min",
        examples=['"8h"'],
    )
    starts: LocalTime | None = Field(
        default=None, alias="from", description="a local time", examples=['"2026-12-20 00:00"']
    )
    until: LocalTime | None = Field(default=None, description="a local time", examples=['"2027-01-02 08:00"'])
    timezone: ZoneName = Field(default="UTC", description="an IANA time zone", examples=['"Europe/Berlin"'])

    @model_validator(mode="after")
    def _holds_at_all(self) -> Self:
        if self._once.starts >= self._once.ends:
            raise ValueError("until is not after from, so it never holds; correct one of them")
        return self

    @property
    def window(self) -> ScopedWindow:
        """As the calendar takes it."""
        where = zone(self.timezone)
        if self.cron is not None and self.duration is not None:
            return RecurringWindow(
                name=self.name, scope=self.scope, timetable=cron(self.cron, where), lasts=self.duration
            )
        return SingleWindow(name=self.name, scope=self.scope, period=self._once, zone=where)

    @property
    def _once(self) -> Period:
        where = zone(self.timezone)
        return Period(
            starts=self.starts.replace(tzinfo=where).astimezone(UTC) if self.starts else ALWAYS,
            ends=self.until.replace(tzinfo=where).astimezone(UTC) if self.until else ENDLESS,
        )


class RiskSettings(_Section):
    """What an action of one risk needs before it runs."""

    required: int | None = Field(
        default=None, ge=1, le=10, description="how many people must approve, from 1 to 10", examples=["2"]
    )
    lifetime: Duration = Field(
        default=timedelta(hours=1), description="how long a proposal can be approved, more than 0", examples=['"1h"']
    )


class HighRiskSettings(RiskSettings):
    """What an action of high risk needs before it runs."""

    cli: bool = Field(default=False, description="whether it can be approved from the command line", examples=["true"])
    abort_window: Annotated[timedelta, BeforeValidator(duration), Field(ge=timedelta(0), le=timedelta(minutes=10))] = (
        Field(
            default=timedelta(seconds=10),
            description="how long everybody may abort it before it begins, from 0 to 10 min",
            examples=['"10s"'],
        )
    )


class ApprovalSettings(_Section):
    """By risk."""

    low: RiskSettings = RiskSettings()
    medium: RiskSettings = RiskSettings()
    high: HighRiskSettings = HighRiskSettings()

    def of(self, risk: Risk) -> RiskSettings:
        """Return what applies to *risk*."""
        match risk:
            case Risk.LOW:
                return self.low
            case Risk.MEDIUM:
                return self.medium
            case Risk.HIGH:
                return self.high


class DigestSettings(_Section):
    """A summary that is posted on schedule."""

    name: ShortName = Field(description="a short name in small letters", examples=['"morning"'])
    at: str | None = Field(default=None, description="a time of day", examples=['"09:00"'])
    cron: str | None = Field(default=None, description="a five-field cron expression", examples=['"0 9 * * mon"'])
    timezone: ZoneName = Field(default="UTC", description="an IANA time zone", examples=['"Europe/Berlin"'])
    covers: Duration = Field(
        default=timedelta(days=1), description="the time it looks back, more than 0", examples=['"24h"']
    )
    channel: Channel | None = Field(
        default=None, description="a channel's id, or its name after #", examples=['"C0123456789"']
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if (self.at is None) == (self.cron is None):
            raise ValueError('a digest has either at = "09:00" or cron = "0 9 * * *"')
        _ = self.timetable
        return self

    @cached_property
    def timetable(self) -> Timetable:
        """When it is due."""
        where = zone(self.timezone)
        return daily(self.at, where) if self.at is not None else cron(self.cron or "", where)


class AgentSettings(_Section):
    """The watch over the subjects."""

    enabled: bool = Field(default=True, description="whether subjects are observed and diagnosed", examples=["false"])
    interval: Duration = Field(
        default=timedelta(seconds=15), description="the time between two observations, more than 0", examples=['"15s"']
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="how often what failed without effect is proposed again, from 0 to 10",
        examples=["2"],
    )
    retry_after: Duration = Field(
        default=timedelta(minutes=1),
        description="the time before it is proposed again, which doubles each time, more than 0",
        examples=['"1min"'],
    )


class ReminderSettings(_Section):
    """When people are reminded of what waits for them."""

    enabled: bool = Field(
        default=True, description="whether people are reminded of what waits for them", examples=["false"]
    )
    first: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(minutes=1),
        description="how long a proposal waits before the first reminder, at least 1 min; the pauses then double",
        examples=['"10min"'],
    )
    at_most_every: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(minutes=1),
        description="the longest pause between two reminders, at least 1 min",
        examples=['"30min"'],
    )
    warn_before: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(minutes=1),
        description="how long before a proposal expires people are warned, at least 1 min; a short life: at 80 %",
        examples=['"10min"'],
    )

    @property
    def schedule(self) -> ReminderSchedule:
        """As the core takes it."""
        return ReminderSchedule(
            enabled=self.enabled,
            first=self.first,
            at_most_every=self.at_most_every,
            warn_before=self.warn_before,
        )


class HttpSettings(_Section):
    """Where the HTTP interface listens."""

    host: str = Field(default="127.0.0.1", min_length=1, description="an address to listen on", examples=['"0.0.0.0"'])
    port: int = Field(default=8080, ge=0, le=65535, description="a port; 0 takes a free one", examples=["8080"])


class Limits(_Section):
    """How long and how much."""

    approval_lifetime: Duration = Field(
        default=timedelta(minutes=5), description="how long an approval stays good, more than 0", examples=['"5min"']
    )
    lease: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=2),
        description="how long a running action may be silent before it counts as lost, at least 2 s",
        examples=['"30s"'],
    )
    undo_window: Duration = Field(
        default=timedelta(hours=1),
        description="how long after its end an action can be undone at the press of a button, more than 0",
        examples=['"1h"'],
    )
    shutdown_grace: Duration = Field(
        default=timedelta(seconds=20),
        description="how long running actions may finish at shutdown, more than 0",
        examples=['"20s"'],
    )
    lift_people: int = Field(
        default=1,
        ge=1,
        le=5,
        description="how many different people must ask for mode execute within 10 minutes, from 1 to 5",
        examples=["2"],
    )
    diagnoses_per_minute: int = Field(
        default=120, ge=1, le=100_000, description="how many diagnoses HTTP takes in per minute", examples=["120"]
    )
    actions_per_hour: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="how many actions may begin on one subject within an hour, at most 1000; 0 is no limit",
        examples=["20"],
    )
    proposals_per_hour: int = Field(
        default=60,
        ge=0,
        le=100_000,
        description="how many proposals one source may make within an hour; 0 is no limit",
        examples=["60"],
    )
    open_cards: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="how many actions on one subject may wait at the same time, at most 1000; 0 is no limit",
        examples=["20"],
    )
    failures_in_a_row: int = Field(
        default=3,
        ge=0,
        le=100,
        description="after how many failed or unknown actions in a row a subject is stopped, at most 100; 0 is never",
        examples=["3"],
    )


class Settings(BaseSettings):
    """Everything that can be configured. `load` reads it, and makes its paths absolute."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True, validate_default=True
    )

    database: str = Field(
        default=DEFAULT_DATABASE,
        repr=False,
        description="sqlite:///FILE or postgresql+psycopg://HOST/NAME",
        examples=['"sqlite:///operator.db"'],
    )
    state_dir: Path = Field(
        default=Path(DEFAULT_STATE_DIR), description="a directory of this host", examples=['"state"']
    )
    channel: Channel | None = Field(
        default=None, description="a channel's id, or its name after #", examples=['"C0123456789"']
    )
    routes: tuple[Route, ...] = ()
    incident_channels: tuple[Channel, ...] = Field(
        default=(), description="a list of channels that a diagnosis may name", examples=['["C0123456789"]']
    )
    subjects: dict[SubjectName, SubjectSettings] = Field(default_factory=dict, repr=False)
    people: dict[PersonName, PersonSettings] = Field(default_factory=dict)
    groups: dict[PersonName, GroupSettings] = Field(default_factory=dict)
    approvers: Approvers = Approvers()
    grants: tuple[GrantSettings, ...] = ()
    denials: tuple[DenialSettings, ...] = ()
    quorums: tuple[QuorumSettings, ...] = ()
    unattended: tuple[UnattendedSettings, ...] = ()
    freezes: tuple[WindowSettings, ...] = ()
    maintenance: tuple[WindowSettings, ...] = ()
    approval: ApprovalSettings = ApprovalSettings()
    digests: tuple[DigestSettings, ...] = ()
    agent: AgentSettings = AgentSettings()
    reminders: ReminderSettings = ReminderSettings()
    http: HttpSettings = HttpSettings()
    limits: Limits = Limits()
    mode_ceiling: SafetyMode = Field(
        default=SafetyMode.EXECUTE,
        description='"observe" keeps the mode at observe, whatever is stored; "execute" leaves it to the stored mode',
        examples=['"observe"'],
    )
    slack_bot_token: SecretStr | None = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    slack_app_token: SecretStr | None = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    slack_signing_secret: SecretStr | None = Field(default=None, validation_alias="SLACK_SIGNING_SECRET")
    slack_api_url: str = Field(
        default="https://slack.com/api/",
        validation_alias="SLACK_API_URL",
        pattern=r"\Ahttps?://[^\s@]+\z",
        description="the address of Slack's Web API",
        examples=["https://slack.com/api/"],
    )
    admin_token: SecretStr | None = Field(
        default=None,
        validation_alias="OPERATOR_ADMIN_TOKEN",
        min_length=16,
        description="at least 16 characters",
        examples=["the output of: openssl rand -hex 32"],
    )
    ingest_token: SecretStr | None = Field(
        default=None,
        validation_alias="OPERATOR_INGEST_TOKEN",
        min_length=16,
        description="at least 16 characters",
        examples=["the output of: openssl rand -hex 32"],
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base's signature
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given; `load` adds the environment and the file."""
        return (init_settings,)

    @field_validator("database")
    @classmethod
    def _usable_database(cls, value: str) -> str:
        return database_url(value, Path())

    @model_validator(mode="wrap")
    @classmethod
    def _everything_at_once(cls, raw: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        problems = contradictions(raw)
        try:
            made = validate(raw)
        except ValidationError as error:
            raise refusal([*in_words(error, cls), *problems]) from None
        if problems:
            raise refusal(problems)
        return made

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The signing secrets that are accepted: one, or two (separated by a comma) while they are being changed."""
        if self.slack_signing_secret is None:
            return ()
        return tuple(
            filter(None, (secret.strip() for secret in self.slack_signing_secret.get_secret_value().split(",")))
        )

    @property
    def database_shown(self) -> str:
        """The database's address without its password."""
        return masked(self.database)

    @property
    def allowed_channels(self) -> frozenset[str]:
        """The channels that a diagnosis may name."""
        configured = (self.channel, *(route.channel for route in self.routes), *self.incident_channels)
        return frozenset(channel for channel in configured if channel)

    def channel_for(self, subject: str, severity: Severity) -> str | None:
        """Return where messages about this go: the first route that matches, else the default channel."""
        return next((route.channel for route in self.routes if route.matches(subject, severity)), self.channel)

    @property
    def slack_groups(self) -> frozenset[str]:
        """The ids of the Slack user groups whose members have to be known."""
        return frozenset(group.slack for group in self.groups.values() if group.slack is not None)

    def allowed(self) -> Grants:
        """Return who may do what, as the policy takes it. Proposing is for everybody in `[people]`."""
        everybody = frozenset(self.people)
        approvers = frozenset(self.approvers.approve)
        return Grants(
            people=tuple(
                Person(name=name, slack=frozenset(person.slack), cli=frozenset(person.cli))
                for name, person in self.people.items()
            ),
            verbs={
                Verb.APPROVE: approvers,
                Verb.CANCEL: _or(self.approvers.cancel, everybody),
                Verb.KILL: _or(self.approvers.kill, everybody),
                Verb.SET_MODE: _or(self.approvers.set_mode, approvers),
                Verb.RESOLVE: _or(self.approvers.resolve, approvers),
                Verb.PROPOSE: everybody,
                Verb.EDIT: _or(self.approvers.edit, approvers),
                Verb.REVIEW: _or(self.approvers.review, approvers),
                Verb.BREAK_GLASS: frozenset(self.approvers.break_glass),
            },
            approvals={risk: self.approval.of(risk).required or DEFAULT_APPROVALS[risk] for risk in Risk},
            high_risk_from_cli=self.approval.high.cli,
            groups=tuple(
                Group(name=name, members=frozenset(group.members), slack=group.slack)
                for name, group in self.groups.items()
            ),
            granted=tuple(
                Clause(name=f"[[grants]] {number}", who=frozenset(one.who), verbs=frozenset(one.may), scope=one.scope)
                for number, one in enumerate(self.grants, start=1)
            ),
            denied=tuple(
                Clause(
                    name=f"[[denials]] {number}", who=frozenset(one.who), verbs=frozenset(one.may_not), scope=one.scope
                )
                for number, one in enumerate(self.denials, start=1)
            ),
            quorums=tuple(
                QuorumClause(people=one.approvals, needs=frozenset(one.needs), scope=one.scope) for one in self.quorums
            ),
            unattended=tuple(
                UnattendedRule(name=one.name, subject=one.subject, action=one.action) for one in self.unattended
            ),
        )

    def lifetimes(self) -> Mapping[Risk, timedelta]:
        """Return how long a proposal can be approved, by risk."""
        return {risk: self.approval.of(risk).lifetime for risk in Risk}


class _Surroundings(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, Environment(settings_cls, os.environ), File(settings_cls, config_file(os.environ))


def load() -> Settings:
    """Read the configuration of this process: variables of the environment stand above the file.

    Raises:
        ConfigurationError: with every problem, each with its key and how to mend it.
    """
    require_place(os.environ)
    return _Surroundings()


def _or(names: Names | None, otherwise: frozenset[str]) -> frozenset[str]:
    return otherwise if names is None else frozenset(names)
