"""What a person asks to see: status, lists, one action, the App Home, what a message is. Reads only, for members."""

from collections.abc import Sequence

from actions.diagnosis.models import TicketStatus
from actions.errors import NotAuthorizedError
from actions.lifecycle import EXECUTING, IN_FLIGHT, PENDING, TERMINAL, UNKNOWN, VALIDATED
from actions.models import EVERYTHING, ActionProposal, ActionStatus, Actor, Review, Verb, Via
from actions.policy import ConfiguredPolicy
from actions.ports import Clock, KillFiles, MessageRef, OutboxKind, Reader, Standing, Store
from bot.doorkeeper import Doorkeeper
from bot.links import Links
from bot.presenter import CardPresenter
from bot.shown import IN_THE_THREAD, proposal_of
from bot.views import explanation
from bot.views.blocks import View
from bot.views.command_answers import StatusView, list_answer, show_answer, status_answer
from bot.views.details import DetailsView, details
from bot.views.explanation import DiagnosisStory
from bot.views.home import HomeItem, HomeView, closed_home, home
from bot.views.message import Message
from bot.views.reviews import ReviewItem, reviews_answer

_MOST = 20


class Desk:
    """Answers questions about what is stored. Whoever is no full member gets a `NotAuthorizedError` instead."""

    def __init__(
        self,
        *,
        store: Store,
        presenter: CardPresenter,
        policy: ConfiguredPolicy,
        doorkeeper: Doorkeeper,
        kill_files: KillFiles,
        clock: Clock,
        links: Links,
        subjects: Sequence[str],
    ) -> None:
        self._store = store
        self._presenter = presenter
        self._policy = policy
        self._doorkeeper = doorkeeper
        self._kill_files = kill_files
        self._clock = clock
        self._links = links
        self._subjects = subjects

    async def status(self, actor: Actor) -> Message:
        """Return the mode, what waits and what runs."""
        await self._doorkeeper.member(actor)

        def query(reader: Reader) -> StatusView:
            tickets = reader.tickets(open_only=True)
            return StatusView(
                controls=tuple(reader.controls()),
                waiting=tuple(reader.proposals(statuses=PENDING, limit=_MOST)),
                in_flight=tuple(reader.proposals(statuses=IN_FLIGHT, limit=_MOST)),
                open_tickets=sum(ticket.status is TicketStatus.OPEN for ticket in tickets),
                kill_files=tuple(self._kill_files.present()),
                now=self._clock.now(),
            )

        return status_answer(await self._store.read(query))

    async def listing(self, actor: Actor, status: ActionStatus | None) -> Message:
        """Return the newest actions, of one status if asked."""
        await self._doorkeeper.member(actor)
        statuses = () if status is None else (status,)
        found = await self._store.read(lambda reader: reader.proposals(statuses=statuses, limit=_MOST))
        return list_answer(found, self._clock.now(), asked=status.value if status else "")

    async def reviews(self, actor: Actor) -> Message:
        """Return the reviews that break-glass left open."""
        standing = await self._doorkeeper.member(actor)
        return reviews_answer(await self._store.read(lambda reader: self._reviews(reader, actor, standing)))

    async def show(self, actor: Actor, proposal_id: int) -> Message:
        """Return what the card shows. Raises `UnknownProposalError`."""
        dossier = await self._doorkeeper.show(proposal_id, to=actor)
        view = self._presenter.card_view(dossier, await self._presenter.follow_ups(dossier))
        return show_answer(view, self._links.to(dossier.message))

    async def details(self, actor: Actor, proposal_id: int) -> View:
        """Return everything about one action, as a modal. Raises `UnknownProposalError`."""
        dossier = await self._doorkeeper.show(proposal_id, to=actor)
        proposal = dossier.proposal
        view = DetailsView(
            dossier=dossier,
            title=self._presenter.title(proposal),
            undo_hint=self._presenter.undo_hint(proposal),
            now=self._clock.now(),
            follow_ups=await self._presenter.follow_ups(dossier),
        )
        return details(view)

    async def explain(self, actor: Actor, *, channel: str, ts: str, thread: str | None) -> View:
        """Return what a message is about and what became of that; of a reply to a card, what its card is about."""
        await self._doorkeeper.member(actor)
        found = await self._store.read(lambda reader: _message_of_ours(reader, channel, ts, thread))
        match found:
            case None:
                return explanation.not_ours()
            case MessageRef(kind=OutboxKind.DIAGNOSIS):
                return await self._diagnosis(int(found.ref))
            case MessageRef(kind=kind) if kind is OutboxKind.CARD or kind in IN_THE_THREAD:
                return await self.details(actor, int(proposal_of(found)))
            case _:
                return explanation.of_kind(found.kind)

    async def home(self, actor: Actor) -> View:
        """Return one person's App Home; to somebody who may not read, one that says so."""
        try:
            standing = await self._doorkeeper.member(actor)
        except NotAuthorizedError as error:
            return closed_home(error.reason)
        return home(await self._store.read(lambda reader: self._home(reader, actor, standing)))

    def _home(self, reader: Reader, actor: Actor, standing: Standing) -> HomeView:
        unknown = reader.proposals(statuses=[UNKNOWN], limit=_MOST)
        return HomeView(
            controls=tuple(reader.controls()),
            stoppable=tuple(scope for scope in (EVERYTHING, *self._subjects) if self._may_stop(actor, standing, scope)),
            waiting=self._items(reader, self._waiting_for(reader, actor, standing)),
            running=self._items(reader, reader.proposals(statuses=[EXECUTING], limit=_MOST)),
            unknown=self._items(reader, unknown),
            may_settle=frozenset(p.id for p in unknown if self._may(actor, standing, Verb.RESOLVE, p)),
            reviews=self._reviews(reader, actor, standing),
            recent=self._items(reader, reader.proposals(statuses=TERMINAL, limit=_MOST)),
            now=self._clock.now(),
        )

    def _waiting_for(self, reader: Reader, actor: Actor, standing: Standing) -> list[ActionProposal]:
        found: list[ActionProposal] = []
        before_id = None
        while len(found) < _MOST and (page := reader.proposals(statuses=[VALIDATED], before_id=before_id, limit=_MOST)):
            found += [proposal for proposal in page if self._may_decide(reader, actor, standing, proposal)]
            before_id = page[-1].id
        return found[:_MOST]

    def _may_stop(self, actor: Actor, standing: Standing, scope: str) -> bool:
        subject = None if scope == EVERYTHING else scope
        return self._policy.authorize(actor, Verb.KILL, None, standing, via=Via.SLACK, subject=subject).allowed

    def _may_decide(self, reader: Reader, actor: Actor, standing: Standing, proposal: ActionProposal) -> bool:
        decision = self._policy.authorize(actor, Verb.APPROVE, proposal, standing, via=Via.SLACK)
        return decision.allowed and all(a.person != decision.person for a in reader.approvals(proposal.id))

    def _may(self, actor: Actor, standing: Standing, verb: Verb, proposal: ActionProposal) -> bool:
        return self._policy.authorize(actor, verb, proposal, standing, via=Via.SLACK).allowed

    def _items(self, reader: Reader, proposals: list[ActionProposal]) -> tuple[HomeItem, ...]:
        return tuple(HomeItem(proposal=p, link=self._link(reader, p.id)) for p in proposals)

    def _reviews(self, reader: Reader, actor: Actor, standing: Standing) -> tuple[ReviewItem, ...]:
        found = ((review, reader.proposal(review.proposal_id)) for review in reader.open_reviews(_MOST))
        return tuple(
            ReviewItem(
                review=review,
                proposal=proposal,
                link=self._link(reader, proposal.id),
                closable=self._may_close(actor, standing, review, proposal),
            )
            for review, proposal in found
            if proposal is not None
        )

    def _may_close(self, actor: Actor, standing: Standing, review: Review, proposal: ActionProposal) -> bool:
        decision = self._policy.authorize(actor, Verb.REVIEW, proposal, standing, via=Via.SLACK)
        return decision.allowed and decision.person != review.person

    def _link(self, reader: Reader, proposal_id: int) -> str | None:
        return self._links.to(reader.message(OutboxKind.CARD, str(proposal_id)))

    async def _diagnosis(self, diagnosis_id: int) -> View:
        story = await self._store.read(lambda reader: self._story(reader, diagnosis_id))
        return explanation.not_ours() if story is None else explanation.of_diagnosis(story)

    def _story(self, reader: Reader, diagnosis_id: int) -> DiagnosisStory | None:
        diagnosis = reader.diagnosis(diagnosis_id)
        if diagnosis is None:
            return None
        ticket = reader.ticket(diagnosis.ticket_key) if diagnosis.ticket_key else None
        newest = ticket.diagnosis_id if ticket is not None else None
        proposed = [p for one in {diagnosis_id, newest} if one is not None for p in reader.proposals(diagnosis_id=one)]
        return DiagnosisStory(
            diagnosis=diagnosis,
            ticket=ticket,
            proposed=self._items(reader, sorted(proposed, key=lambda p: p.id)),
            now=self._clock.now(),
        )


def _message_of_ours(reader: Reader, channel: str, ts: str, thread: str | None) -> MessageRef | None:
    found = reader.message_at(channel, ts)
    return reader.message_at(channel, thread) if found is None and thread is not None else found
