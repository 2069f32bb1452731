"""What a person asks to see: status, lists, one action, the App Home. Reads only."""

from collections.abc import Sequence

from actions.diagnosis.models import TicketStatus
from actions.errors import UnknownProposalError
from actions.lifecycle import IN_FLIGHT, PENDING, TERMINAL, VALIDATED
from actions.models import EVERYTHING, ActionProposal, ActionStatus, Actor, Verb, Via
from actions.policy import ConfiguredPolicy
from actions.ports import Clock, Directory, Dossier, KillFiles, OutboxKind, Reader, Standing, Store
from bot.links import Links
from bot.presenter import CardPresenter
from bot.views.blocks import View
from bot.views.command_answers import StatusView, list_answer, show_answer, status_answer
from bot.views.details import DetailsView, details
from bot.views.home import HomeItem, HomeView, home
from bot.views.message import Message

_MOST = 20


class Desk:
    """Answers questions about what is stored."""

    def __init__(
        self,
        *,
        store: Store,
        presenter: CardPresenter,
        policy: ConfiguredPolicy,
        directory: Directory,
        kill_files: KillFiles,
        clock: Clock,
        links: Links,
        subjects: Sequence[str],
    ) -> None:
        self._store = store
        self._presenter = presenter
        self._policy = policy
        self._directory = directory
        self._kill_files = kill_files
        self._clock = clock
        self._links = links
        self._subjects = subjects

    async def status(self) -> Message:
        """Return the mode, what waits and what runs."""

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

    async def listing(self, status: ActionStatus | None) -> Message:
        """Return the newest actions, of one status if asked."""
        statuses = () if status is None else (status,)
        found = await self._store.read(lambda reader: reader.proposals(statuses=statuses, limit=_MOST))
        return list_answer(found, self._clock.now(), asked=status.value if status else "")

    async def show(self, proposal_id: int) -> Message:
        """Return what the card shows. Raises `UnknownProposalError`."""
        dossier = await self._dossier(proposal_id)
        return show_answer(self._presenter.card_view(dossier), self._links.to(dossier.message))

    async def details(self, proposal_id: int) -> View:
        """Return everything about one action, as a modal. Raises `UnknownProposalError`."""
        dossier = await self._dossier(proposal_id)
        proposal = dossier.proposal
        view = DetailsView(
            dossier=dossier,
            title=self._presenter.title(proposal),
            undo_hint=self._presenter.undo_hint(proposal),
            now=self._clock.now(),
        )
        return details(view)

    async def home(self, actor: Actor) -> View:
        """Return one person's App Home."""
        standing = await self._directory.standing(actor)
        return home(await self._store.read(lambda reader: self._home(reader, actor, standing)))

    def _home(self, reader: Reader, actor: Actor, standing: Standing) -> HomeView:
        waiting = reader.proposals(statuses=[VALIDATED], limit=_MOST)
        return HomeView(
            controls=tuple(reader.controls()),
            stoppable=tuple(scope for scope in (EVERYTHING, *self._subjects) if self._may_stop(actor, standing, scope)),
            waiting=self._items(reader, [p for p in waiting if self._may_decide(reader, actor, standing, p)]),
            in_flight=self._items(reader, reader.proposals(statuses=IN_FLIGHT, limit=_MOST)),
            recent=self._items(reader, reader.proposals(statuses=TERMINAL, limit=_MOST)),
            now=self._clock.now(),
        )

    def _may_stop(self, actor: Actor, standing: Standing, scope: str) -> bool:
        subject = None if scope == EVERYTHING else scope
        return self._policy.authorize(actor, Verb.KILL, None, standing, via=Via.SLACK, subject=subject).allowed

    def _may_decide(self, reader: Reader, actor: Actor, standing: Standing, proposal: ActionProposal) -> bool:
        decision = self._policy.authorize(actor, Verb.APPROVE, proposal, standing, via=Via.SLACK)
        return decision.allowed and all(a.person != decision.person for a in reader.approvals(proposal.id))

    def _items(self, reader: Reader, proposals: list[ActionProposal]) -> tuple[HomeItem, ...]:
        return tuple(
            HomeItem(proposal=p, link=self._links.to(reader.message(OutboxKind.CARD, str(p.id)))) for p in proposals
        )

    async def _dossier(self, proposal_id: int) -> Dossier:
        dossier = await self._store.read(lambda reader: reader.dossier(proposal_id))
        if dossier is None:
            raise UnknownProposalError(proposal_id)
        return dossier
