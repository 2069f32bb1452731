"""Who may look, and who may begin to decide: asked before a form opens, so that nobody fills one in for nothing.

What the form then asks for is authorised again when it is sent.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from actions.break_glass import NOT_ENDED
from actions.errors import ConflictError, NotAuthorizedError, NotReadyError, UnknownProposalError
from actions.lifecycle import APPROVE, ATTEST_DONE, BREAK_GLASS, FAILED, PROPOSED, TERMINAL, VALIDATED
from actions.models import ActionProposal, ActionStatus, Actor, Caller, Review, Verb
from actions.ports import Clock, Directory, Dossier, Policy, Standing, Store
from actions.transitions import note

_OPEN_WHILE: Final[Mapping[Verb, tuple[frozenset[ActionStatus], str]]] = {
    Verb.APPROVE: (APPROVE.sources, "approved"),
    Verb.BREAK_GLASS: (BREAK_GLASS.sources, "run by breaking the glass"),
    Verb.EDIT: (frozenset({PROPOSED, VALIDATED}), "changed"),
    Verb.PROPOSE: (frozenset({FAILED}), "tried again"),
    Verb.RESOLVE: (ATTEST_DONE.sources, "settled"),
}
"""When a form is of any use, and what it would do in a word."""
_OWN_REVIEW: Final = "You broke the glass yourself; someone else has to close this review."


class Doorkeeper:
    """Lets people in, or says at once why not."""

    def __init__(self, *, store: Store, policy: Policy, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._policy = policy
        self._directory = directory
        self._clock = clock

    async def member(self, actor: Actor) -> Standing:
        """Return what is known of someone who may read here: active full members alone. Raises `NotAuthorizedError`."""
        standing = await self._directory.standing(actor)
        if not (standing.active and standing.full_member):
            raise NotAuthorizedError(
                f"You may not read this: {standing.problem or 'your account could not be checked'}."
            )
        return standing

    async def proposal(self, proposal_id: int) -> ActionProposal:
        """Return a proposal, to be decided by whoever the core lets. Raises `UnknownProposalError`."""
        proposal = await self._store.read(lambda reader: reader.proposal(proposal_id))
        if proposal is None:
            raise UnknownProposalError(proposal_id)
        return proposal

    async def show(self, proposal_id: int, *, to: Actor) -> Dossier:
        """Return everything about a proposal to someone who may read it.

        Raises:
            NotAuthorizedError, UnknownProposalError
        """
        await self.member(to)
        return await self._dossier(proposal_id)

    async def admit(self, verb: Verb, proposal_id: int, *, by: Caller) -> Dossier:
        """Return everything about a proposal to someone who may do *verb* with it, while it can be done.

        Raises:
            NotAuthorizedError: it stands in the audit log by then
            UnknownProposalError, NotReadyError
        """
        dossier = await self._dossier(proposal_id)
        await self._authorized(verb, dossier.proposal, by)
        statuses, word = _OPEN_WHILE.get(verb, (frozenset(ActionStatus), ""))
        if dossier.proposal.status not in statuses:
            raise NotReadyError(proposal_id, dossier.proposal.status, word)
        return dossier

    async def admit_reviewer(self, proposal_id: int, *, by: Caller) -> tuple[Dossier, Review]:
        """Return everything about what was run with break-glass, and its open review, to someone who may close it.

        Raises:
            NotAuthorizedError: it stands in the audit log by then
            UnknownProposalError, ConflictError
        """
        dossier = await self._dossier(proposal_id)
        person = await self._authorized(Verb.REVIEW, dossier.proposal, by)
        review = dossier.review
        if review is None or review.closed_at is not None:
            raise ConflictError(f"No review of action {proposal_id} is open; nothing was changed.")
        if person == review.person:
            await self._deny(Verb.REVIEW, dossier.proposal, _OWN_REVIEW, by)
        if dossier.proposal.status not in TERMINAL:
            raise NotReadyError(proposal_id, dossier.proposal.status, NOT_ENDED)
        return dossier, review

    async def _authorized(self, verb: Verb, proposal: ActionProposal, by: Caller) -> str:
        standing = await self._directory.standing(by.actor)
        decision = self._policy.authorize(by.actor, verb, proposal, standing, via=by.via)
        if not decision.allowed:
            await self._deny(verb, proposal, decision.reason, by)
        return decision.person

    async def _deny(self, verb: Verb, proposal: ActionProposal, why: str, by: Caller) -> NoReturn:
        at = self._clock.now()
        data = {"verb": verb.value, "why": why}
        await self._store.write(
            lambda tx: note(tx, "denied", by=by, at=at, proposal_id=proposal.id, data=data), urgent=True
        )
        raise NotAuthorizedError(why)

    async def _dossier(self, proposal_id: int) -> Dossier:
        dossier = await self._store.read(lambda reader: reader.dossier(proposal_id))
        if dossier is None:
            raise UnknownProposalError(proposal_id)
        return dossier
