"""When what is approved runs: at once, after the abort window of high risk, or when the calendar allows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from actions.calendar import ALWAYS_OPEN, Calendar, Opening
from actions.lifecycle import APPROVED
from actions.models import ActionProposal, Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Sets the time of an approved proposal."""

    approval_lifetime: timedelta = timedelta(minutes=5)
    abort_window: timedelta = timedelta(seconds=10)
    calendar: Calendar = ALWAYS_OPEN

    def approved(self, proposal: ActionProposal, at: datetime) -> dict[str, object]:
        """Return what an approval at *at* changes: when it may begin, and until when; both lifetimes count from there.

        There must be such a time: see `never`.
        """
        opening = self.opening(proposal, at)
        starts = opening.starts or self._earliest(proposal, at)
        changes: dict[str, object] = {"approved_at": at, "approval_expires_at": starts + self.approval_lifetime}
        if starts > at:
            lifetime = proposal.expires_at - proposal.proposed_at
            changes |= {"not_before": starts, "expires_at": starts + lifetime, "detail": opening.why}
        return changes

    def at_once(self, at: datetime) -> dict[str, object]:
        """Return what breaking the glass at *at* changes: it waits for nothing."""
        return {"approved_at": at, "approval_expires_at": at + self.approval_lifetime, "not_before": None}

    def never(self, proposal: ActionProposal, at: datetime) -> str | None:
        """Return why it could not run within a year if it were approved; None if it could."""
        opening = self.opening(proposal, at)
        return opening.why if opening.starts is None else None

    def opening(self, proposal: ActionProposal, at: datetime) -> Opening:
        """Return when it would begin if it were approved at *at*, with the calendar's reasons for not beginning before.

        `starts` is None if there is no such time within a year.
        """
        return self.calendar.opening(proposal, self._earliest(proposal, at))

    def closed(self, proposal: ActionProposal, at: datetime) -> str | None:
        """Return why the calendar does not let it begin at *at*; None if it does."""
        if proposal.break_glass:
            return None
        opening = self.calendar.opening(proposal, at)
        return None if opening.starts == at else opening.why

    def is_abortable(self, proposal: ActionProposal, now: datetime) -> bool:
        """Return whether everybody may abort it: high risk, approved, and about to begin."""
        return (
            proposal.status is APPROVED
            and proposal.risk is Risk.HIGH
            and not proposal.break_glass
            and (proposal.not_before is None or proposal.not_before - now <= self.abort_window)
        )

    def _earliest(self, proposal: ActionProposal, at: datetime) -> datetime:
        earliest = max(at, proposal.not_before or at)
        return max(earliest, at + self.abort_window) if proposal.risk is Risk.HIGH else earliest
