"""What a card is drawn from, and what follows from it for the people who read it."""

from dataclasses import dataclass, field
from datetime import datetime

from actions.calendar import Opening
from actions.lifecycle import PENDING
from actions.models import ActionStatus, FailureOutcome, Risk
from actions.policy import Missing
from actions.ports import Dossier
from actions.readings import Reading
from actions.safety import is_overdue
from bot.views import sections
from bot.views.headline import people_count
from bot.views.parameters import render_parameters, shows
from bot.views.plain import fits, line
from bot.views.times import moment, seconds_until

_WHY = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A proposal that came of this one, and the address of its card if that was posted."""

    id: int
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUps:
    """What came of a proposal besides its own outcome."""

    replaced_by: FollowUp | None = None
    undo: FollowUp | None = None
    retry: FollowUp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """All that a card is drawn from."""

    dossier: Dossier
    title: str
    """What the action does, in the one line of its definition."""
    button_token: str | None
    """The secret of this card's buttons; without it nothing can be decided here."""
    approvers: tuple[str, ...]
    """Who may approve: names from the configuration, `slack:T…/U…` or Slack user ids. Users are mentioned."""
    now: datetime
    undo_hint: str | None
    """How it could be taken back; None if it could not."""
    lacking: Missing
    """What it still needs of people, as the policy is now."""
    follow_ups: FollowUps = field(default_factory=FollowUps)
    reading: Reading | None = None
    """What was read last of the target of what is pending; None if that was not within the last minute."""
    opening: Opening | None = None
    """When it would begin if it were approved now; None is at once."""
    abortable: bool = False
    """Whether everybody may stop it in the seconds before it begins."""
    editable: bool = False
    """Whether there is anybody who may change the parameters."""
    breakable: bool = False
    """Whether there is anybody who may break the glass."""
    undoable_until: datetime | None = None
    """Until when a completed action can be undone at the press of a button."""

    @property
    def refusal(self) -> str | None:
        """Why the target, as it was read last, does not let it be done now; None if it does."""
        return self.reading.preview.refusal if self.reading and self.dossier.proposal.status in PENDING else None

    @property
    def drift(self) -> str:
        """How the target, as it was read last, differs from what the decision rests on; empty if it does not."""
        return self.reading.drift if self.reading and self.dossier.proposal.status in PENDING else ""

    @property
    def never(self) -> str | None:
        """Why it could not begin within a year, were it approved now; None if it could."""
        return self.opening.why if self.is_open and self.opening and self.opening.starts is None else None

    @property
    def is_open(self) -> bool:
        """Whether it waits for people, and there is time left."""
        proposal = self.dossier.proposal
        return proposal.status is ActionStatus.VALIDATED and not is_overdue(proposal, self.now)

    @property
    def is_scheduled(self) -> bool:
        """Whether it is approved for a later time, and not about to begin."""
        proposal = self.dossier.proposal
        later = proposal.not_before is not None and proposal.not_before > self.now
        return proposal.status is ActionStatus.APPROVED and later and not self.abortable

    @property
    def may_be_undone(self) -> bool:
        """Whether it can be proposed now to take the effect back."""
        until = self.undoable_until if self.dossier.proposal.status is ActionStatus.COMPLETED else None
        return self.undo_hint is not None and until is not None and self.now < until and self.follow_ups.undo is None

    @property
    def may_be_retried(self) -> bool:
        """Whether it failed without any effect, and nobody has proposed it again."""
        proposal = self.dossier.proposal
        failed = (proposal.status, proposal.outcome) == (ActionStatus.FAILED, FailureOutcome.NO_EFFECT)
        return failed and self.follow_ups.retry is None

    @property
    def starts(self) -> datetime | None:
        """When it would begin if it were approved now; None is at once."""
        starts = self.opening.starts if self.opening else self.dossier.proposal.not_before
        return starts if starts is not None and starts > self.now else None


def why_not_here(view: CardView) -> str | None:
    """Return why a card cannot show all that a decision about it needs; None if it can."""
    proposal = view.dossier.proposal
    if not shows(render_parameters(proposal.parameters), proposal.parameters):
        return "the parameters do not fit on this card exactly as they are"
    if not all(fits(name, sections.NAME) for name in (proposal.action_name, proposal.subject, proposal.target)):
        return "the names of the action and its target do not fit on this card"
    return None if view.button_token else "its buttons are missing"


def effect(view: CardView) -> str:
    """Return what would happen, and when, if the reader approved it now."""
    if view.drift:
        return "The target has changed: a new card is made to decide on, and nothing runs."
    if view.lacking.groups:
        return f"It still needs {view.lacking.in_words()}; it runs {when(view)} if yours is the last."
    further = view.lacking.people - 1
    if further > 0:
        return f"It runs once {people_count(further, more=True)} approved it."
    return f"It runs {when(view)}, and once only."


def when(view: CardView) -> str:
    """Return when it would run if the reader approved it now."""
    starts, proposal = view.starts, view.dossier.proposal
    if starts is None:
        return "at once"
    if view.opening and view.opening.why:
        return f"at {moment(starts)} ({line(view.opening.why, _WHY)})"
    if proposal.risk is Risk.HIGH and proposal.not_before is None:
        return f"{seconds_until(starts, view.now)} s later unless somebody presses Abort"
    return f"at {moment(starts)}"
