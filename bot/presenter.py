"""Renders the newest state of what the outbox says has changed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from actions.agent.intake import refusal_of
from actions.diagnosis.models import Diagnosis, Severity
from actions.lifecycle import BREAK_GLASS
from actions.models import ActionProposal, ActionStatus, AuditEvent, Verb
from actions.policy import ConfiguredPolicy, missing
from actions.ports import ButtonTokens, Clock, Dossier, MessageRef, OutboxItem, OutboxKind, Quorum, Reader, Store
from actions.readings import Reading
from actions.registry import ActionRegistry
from actions.reminder_schedule import About, number_of
from actions.safety import EXPLAINED
from actions.schedule import Schedule
from actions.undo import undo_of, undoable_until
from bot import follow_up_data, reminder_data
from bot.digest_data import DigestOrder, gather
from bot.links import Links
from bot.shown import NotYetError, Shown
from bot.views.announcement import AnnouncementView, announcement
from bot.views.broken_glass import BrokenGlassView, broken_glass
from bot.views.card import card
from bot.views.card_view import CardView, FollowUps
from bot.views.diagnosis_message import DiagnosisView, LaterProposal, diagnosis_message
from bot.views.digest import digest
from bot.views.message import Message
from bot.views.reminder import ReminderView, reminder
from bot.views.result import result

ChannelFor = Callable[[str, Severity], str | None]


class CardPresenter:
    """See `bot.delivery.Presenter`."""

    def __init__(
        self,
        *,
        store: Store,
        registry: ActionRegistry,
        policy: ConfiguredPolicy,
        tokens: ButtonTokens,
        clock: Clock,
        links: Links,
        last_reading: Callable[[int], Reading | None],
        schedule: Schedule,
        undo_window: timedelta,
        channel: str,
        channel_for: ChannelFor,
        allowed_channels: frozenset[str],
    ) -> None:
        self._store = store
        self._registry = registry
        self._policy = policy
        self._tokens = tokens
        self._clock = clock
        self._links = links
        self._last_reading = last_reading
        self._schedule = schedule
        self._undo_window = undo_window
        self._channel = channel
        self._channel_for = channel_for
        self._allowed_channels = allowed_channels

    async def present(self, item: OutboxItem) -> Shown | None:
        """See `Presenter.present`."""
        match item.kind:
            case OutboxKind.CARD | OutboxKind.RESULT | OutboxKind.REMINDER:
                return await self._about_a_proposal(item)
            case OutboxKind.DIAGNOSIS:
                return await self._diagnosis(item)
            case OutboxKind.ANNOUNCEMENT:
                return await self._announcement(item)
            case OutboxKind.DIGEST:
                return await self._digest(item)
            case OutboxKind.NOTICE:
                return None

    def card_view(self, dossier: Dossier, follow_ups: FollowUps | None = None) -> CardView:
        """Return all that a card, or an answer that shows the same, is drawn from."""
        proposal, now = dossier.proposal, self._clock.now()
        proposer = self._policy.person(proposal.proposed_by)
        return CardView(
            dossier=dossier,
            title=self.title(proposal),
            button_token=self._tokens.token_for(proposal.token),
            approvers=tuple(one for one in self._policy.who_may(Verb.APPROVE, proposal) if one != proposer),
            lacking=missing(proposal, self._quorum(proposal), dossier.approvals),
            now=now,
            undo_hint=self.undo_hint(proposal),
            follow_ups=follow_ups or FollowUps(),
            reading=self._last_reading(proposal.id),
            opening=self._schedule.opening(proposal, now) if proposal.status is ActionStatus.VALIDATED else None,
            abortable=self._schedule.is_abortable(proposal, now),
            editable=bool(self._policy.who_may(Verb.EDIT, proposal)),
            breakable=bool(self._policy.who_may(Verb.BREAK_GLASS, proposal)),
            undoable_until=undoable_until(proposal, dossier.record, self._undo_window),
        )

    async def follow_ups(self, dossier: Dossier) -> FollowUps:
        """Return what came of a proposal besides its own outcome. Raises `StorageError`."""
        return await self._store.read(lambda reader: follow_up_data.gather(reader, dossier, self._links))

    def _quorum(self, proposal: ActionProposal) -> Quorum:
        return self._policy.quorum(subject=proposal.subject, action_name=proposal.action_name, risk=proposal.risk)

    def title(self, proposal: ActionProposal) -> str:
        """Return what the action does, in the one line of its definition."""
        definition = self._registry.find(proposal.action_name)
        return definition.title if definition else "An action that is not configured any more"

    def undo_hint(self, proposal: ActionProposal) -> str | None:
        """Return how the action could be taken back, or None if it could not."""
        undo = undo_of(self._registry, proposal)
        if undo is None:
            return None
        name, parameters = undo
        shown = ", ".join(f"{key}={value}" for key, value in parameters.items())
        return f"{name}({shown})"

    async def _about_a_proposal(self, item: OutboxItem) -> Shown | None:
        if item.kind is OutboxKind.REMINDER:
            return await self._reminder(item)
        proposal_id = int(item.ref)
        return await (self._card if item.kind is OutboxKind.CARD else self._result)(proposal_id)

    async def _card(self, proposal_id: int) -> Shown | None:
        dossier = await self._store.read(lambda reader: reader.dossier(proposal_id))
        if dossier is None:
            return None
        view = self.card_view(dossier, await self.follow_ups(dossier))
        return self._shown(card(view), self._route(dossier), version=dossier.proposal.version)

    async def _result(self, proposal_id: int) -> Shown | None:
        dossier = await self._store.read(lambda reader: reader.dossier(proposal_id))
        if dossier is None:
            return None
        if dossier.message is None:
            raise NotYetError
        message = result(dossier, self._clock.now())
        return self._shown(
            message, dossier.message.channel_id, version=dossier.proposal.version, thread=dossier.message
        )

    async def _reminder(self, item: OutboxItem) -> Shown | None:
        found = await self._store.read(lambda reader: reminder_data.gather(reader, item))
        if found is None:
            return None
        dossier, about = found
        if dossier.message is None:
            raise NotYetError
        message = reminder(self._reminder_view(dossier, about, item))
        return self._shown(
            message, dossier.message.channel_id, version=dossier.proposal.version, thread=dossier.message
        )

    def _reminder_view(self, dossier: Dossier, about: About | None, item: OutboxItem) -> ReminderView:
        proposal = dossier.proposal
        _, number = number_of(item.ref)
        lacking = missing(proposal, self._quorum(proposal), dossier.approvals)
        starting = about is About.STARTING
        return ReminderView(
            dossier=dossier,
            number=number,
            about=about,
            audience=(
                reminder_data.approved(dossier) if starting else reminder_data.awaited(self._policy, dossier, lacking)
            ),
            lacking=lacking,
            now=self._clock.now(),
            card=self._links.to(dossier.message),
            button_token=self._tokens.token_for(proposal.token),
            unread=str(item.payload.get("unread", "")),
            snooze=reminder_data.snooze(dossier, number),
        )

    async def _diagnosis(self, item: OutboxItem) -> Shown | None:
        found = await self._store.read(lambda reader: _with_later(reader, int(item.ref)))
        if found is None:
            return None
        diagnosis, later = found
        refused = () if diagnosis.observed_only else _told(item) or self._refusals(diagnosis)
        view = DiagnosisView(
            diagnosis=diagnosis,
            now=self._clock.now(),
            since=tuple(LaterProposal(proposal=p, link=self._links.to(ref)) for p, ref in later),
            refused=refused,
        )
        severity = diagnosis.output.severity
        return self._shown(diagnosis_message(view), self._wanted(diagnosis.channel, diagnosis.subject, severity))

    async def _announcement(self, item: OutboxItem) -> Shown | None:
        view = await self._store.read(lambda reader: _announced(reader, item))
        if view is None:
            return None
        if view.event.event == BREAK_GLASS.event:
            return await self._broken_glass(view.event)
        return self._shown(announcement(view), self._channel)

    async def _broken_glass(self, event: AuditEvent) -> Shown | None:
        dossier = await self._store.read(lambda reader: reader.dossier(event.proposal_id or 0))
        if dossier is None:
            return None
        view = BrokenGlassView(event=event, proposal=dossier.proposal, link=self._links.to(dossier.message))
        return self._shown(broken_glass(view), self._route(dossier))

    async def _digest(self, item: OutboxItem) -> Shown:
        order = DigestOrder.of(item)
        data = await self._store.read(lambda reader: gather(reader, order))
        return self._shown(digest(data), order.channel or self._channel)

    def _refusals(self, diagnosis: Diagnosis) -> tuple[str, ...]:
        refusals = (refusal_of(self._registry, one) for one in diagnosis.output.recommended_actions)
        return tuple(str(one) for one in refusals if one is not None)

    def _route(self, dossier: Dossier) -> str:
        if dossier.message is not None:
            return dossier.message.channel_id
        diagnosis = dossier.diagnosis
        subject = diagnosis.subject if diagnosis else dossier.proposal.subject
        severity = diagnosis.output.severity if diagnosis else Severity.WARNING
        return self._wanted(dossier.proposal.channel, subject, severity)

    def _wanted(self, channel: str | None, subject: str, severity: Severity) -> str:
        if channel is not None and channel in self._allowed_channels:
            return channel
        return self._channel_for(subject, severity) or self._channel

    def _shown(self, message: Message, channel: str, *, version: int = 0, thread: MessageRef | None = None) -> Shown:
        return Shown(message=message, channel=channel, fallback=self._channel, version=version, thread=thread)


def _told(item: OutboxItem) -> tuple[str, ...]:
    refused: Any = item.payload.get("refused") or ()
    return tuple(str(one) for one in refused)


def _with_later(
    reader: Reader, diagnosis_id: int
) -> tuple[Diagnosis, list[tuple[ActionProposal, MessageRef | None]]] | None:
    diagnosis = reader.diagnosis(diagnosis_id)
    if diagnosis is None:
        return None
    ticket = reader.ticket(diagnosis.ticket_key) if diagnosis.ticket_key else None
    newest = ticket.diagnosis_id if ticket else None
    later = reader.proposals(diagnosis_id=newest) if newest not in {None, diagnosis_id} else []
    return diagnosis, [(one, reader.message(OutboxKind.CARD, str(one.id))) for one in reversed(later)]


def _announced(reader: Reader, item: OutboxItem) -> AnnouncementView | None:
    event = reader.audit_event(int(item.ref))
    if event is None:
        return None
    ids: Any = event.data.get("in_flight") or ()
    found = (reader.proposal(int(one)) for one in ids)
    explained = item.payload.get(EXPLAINED)
    return AnnouncementView(
        event=event,
        explanation=reader.audit_event(explained) if isinstance(explained, int) else None,
        in_flight=tuple(one for one in found if one is not None),
    )
