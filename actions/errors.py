"""Every error raised on purpose.

OperatorError
├── NotAllowedError                the caller may not do this now; nothing was changed
│   ├── NotAuthorizedError         this person may not
│   ├── ObserveOnlyError           nobody may: the mode is observe
│   ├── KilledError                nobody may: the kill switch was thrown
│   └── LimitError                 nobody may just now: there was enough of it
├── ConflictError                  the world moved on; show the current state
│   ├── AlreadyDecidedError
│   ├── AlreadyApprovedError       one person counts once
│   ├── NotReadyError              the proposal is not yet, or no longer, at the step that was asked for
│   ├── ExpiredError
│   ├── StaleError                 what was shown is not what is there now
│   ├── TargetBusyError            another action on the same target is running or unresolved
│   └── KeyReusedError             an idempotency key came again with other content
├── NotFoundError
│   ├── UnknownProposalError · UnknownActionError · UnknownSubjectError
├── BadRequestError                what was sent cannot be used; nothing was changed
│   └── BadParametersError
├── ConfigurationError             a setting is missing or wrong; says which and how to mend it
│   └── DuplicateActionError
├── UnavailableError               something could not be reached; nothing is known to have changed
│   ├── StorageError               the database could not take it; its text says whether nothing was recorded
│   │   ├── OverloadedError        the queue of the writer is full
│   │   └── NothingStoppedError    the kill switch could neither be recorded nor leave a kill file
│   └── TargetUnavailableError
├── ActionFailedError              raised by an action: known not to have happened, or known to have happened in part
└── IllegalTransitionError         a bug: the lifecycle has no such step

The text of an error is the sentence a person reads, in Slack, on the command line and over HTTP.
"""

from collections.abc import Sequence
from typing import ClassVar

from actions.models import ActionStatus, FailureOutcome


class OperatorError(Exception):
    """Anything this program refuses or reports on purpose."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with: 1 refused, 3 cannot reach."""


class NotAllowedError(OperatorError):
    """The caller may not do this now; nothing was changed."""


class NotAuthorizedError(NotAllowedError):
    """This person may not do it; *reason* says why and who could."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ObserveOnlyError(NotAllowedError):
    """The mode is observe: the bot looks and recommends, and changes nothing."""

    def __init__(self, scope: str = "*") -> None:
        where = "" if scope == "*" else f" for {scope}"
        super().__init__(
            f"The mode is observe{where}: nothing can be proposed, approved or run. "
            "Someone who may can switch with `/operator mode execute <reason>`."
        )
        self.scope = scope


class KilledError(NotAllowedError):
    """The kill switch was thrown after this was proposed, or a kill file is present."""

    def __init__(self, detail: str = "the kill switch was thrown") -> None:
        super().__init__(
            f"Stopped: {detail}. Nothing new runs until someone sets `mode execute` again; then it is proposed anew."
        )


class LimitError(NotAllowedError):
    """There was as much of it as a limit allows; *said* says what of, and *again* when it may go on."""

    def __init__(self, said: str, setting: str, again: str) -> None:
        super().__init__(f"That is the limit: {said} ([limits] {setting}). {again}")
        self.said = said
        self.setting = setting
        self.again = again


class ConflictError(OperatorError):
    """The world moved on; look at the current state."""


class AlreadyDecidedError(ConflictError):
    """Someone or something else was first."""

    def __init__(self, proposal_id: int, status: ActionStatus, by: str | None = None) -> None:
        who = f" by {by}" if by else ""
        super().__init__(f"Action {proposal_id} is already {status.value}{who}; nothing was changed.")
        self.proposal_id = proposal_id
        self.status = status
        self.by = by


class AlreadyApprovedError(ConflictError):
    """This person has approved it before; one person counts once."""

    def __init__(self, proposal_id: int, missing: str) -> None:
        already = f"You have approved action {proposal_id} already, and each person counts once"
        super().__init__(f"{already}; it needs {missing}.")
        self.proposal_id = proposal_id


class NotReadyError(ConflictError):
    """The proposal is not at the step that was asked for."""

    def __init__(self, proposal_id: int, status: ActionStatus, wanted: str) -> None:
        super().__init__(f"Action {proposal_id} is {status.value}, and cannot be {wanted.rstrip('.')}.")
        self.proposal_id = proposal_id
        self.status = status


class ExpiredError(ConflictError):
    """Its time to decide or to run has passed."""

    def __init__(self, proposal_id: int) -> None:
        super().__init__(
            f"Action {proposal_id} has expired; nothing ran. If the fault is still there it is proposed anew."
        )
        self.proposal_id = proposal_id


class StaleError(ConflictError):
    """What the decision rests on has changed since it was shown."""

    def __init__(self, proposal_id: int, changed: str, *, successor: int | None = None) -> None:
        anew = f" Action {successor} is the same as things are now: decide on its card." if successor else ""
        super().__init__(f"Action {proposal_id} no longer fits what is there ({changed}); nothing ran.{anew}")
        self.proposal_id = proposal_id
        self.changed = changed
        self.successor = successor
        """The proposal that took its place, if there is one."""


class TargetBusyError(ConflictError):
    """Another action on the same target is running, or its outcome is unknown."""

    def __init__(self, proposal_id: int, target_key: str, other_id: int) -> None:
        super().__init__(
            f"Action {proposal_id} waits: action {other_id} on {target_key} is running or its outcome is unknown. "
            f"See `operator actions show {other_id}`."
        )
        self.proposal_id = proposal_id
        self.other_id = other_id


class KeyReusedError(ConflictError):
    """An idempotency key came again with different content."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The key {key!r} was used before with different content. Use a new key for new content.")
        self.key = key


class NotFoundError(OperatorError):
    """There is no such thing."""


class UnknownProposalError(NotFoundError):
    """No proposal has this id."""

    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"There is no action {proposal_id}. `operator actions list` shows what there is.")
        self.proposal_id = proposal_id


class UnknownActionError(NotFoundError):
    """No configured subject offers this action."""

    def __init__(self, action_name: str, similar: Sequence[str] = ()) -> None:
        hint = f" Did you mean {' or '.join(similar)}?" if similar else " `operator subjects list` shows what there is."
        super().__init__(f"No subject offers the action {action_name!r}.{hint}")
        self.action_name = action_name


class UnknownSubjectError(NotFoundError):
    """The configuration names no such subject."""

    def __init__(self, subject: str, known: Sequence[str] = (), *, so: str = "") -> None:
        names = ", ".join(known) or "none"
        super().__init__(f"There is no subject {subject[:80]!r}. Configured: {names}. {so}".rstrip())
        self.subject = subject


class BadRequestError(OperatorError):
    """What was sent cannot be used; nothing was changed."""


class BadParametersError(BadRequestError):
    """The parameters do not fit the action; every problem is listed.

    `parameters` says of each problem, in the same order, which parameter it is about; None: about no single one.
    """

    def __init__(self, action_name: str, problems: Sequence[str], parameters: Sequence[str | None]) -> None:
        super().__init__(f"The parameters do not fit {action_name}: {'; '.join(problems)}.")
        self.action_name = action_name
        self.problems = tuple(problems)
        self.parameters = tuple(parameters)


class ConfigurationError(OperatorError):
    """A setting is missing or wrong; the text says which and how to mend it."""

    exit_code: ClassVar[int] = 2


class DuplicateActionError(ConfigurationError):
    """Two subjects offer an action of the same name."""

    def __init__(self, action_name: str) -> None:
        super().__init__(f"Two subjects offer the action {action_name!r}. Give each subject its own name.")
        self.action_name = action_name


class UnavailableError(OperatorError):
    """Something could not be reached; nothing is known to have changed."""

    exit_code: ClassVar[int] = 3


class StorageError(UnavailableError):
    """The database could not take it, and nothing runs; the text says whether nothing was recorded, or nobody knows."""


class OverloadedError(StorageError):
    """More is waiting to be written than the writer may queue."""


class NothingStoppedError(StorageError):
    """The kill switch could neither be recorded nor leave a kill file; *problem* says why it could not be recorded."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"NOTHING WAS STOPPED. No kill file could be written, and: {problem} "
            "Stop the processes of `operator run` by hand, on every host, now."
        )
        self.problem = problem


class TargetUnavailableError(UnavailableError):
    """The target could not be read, so nothing can be said about it."""


class ActionFailedError(OperatorError):
    """Raised by an action whose failure is *known*.

    `no_effect`: nothing was changed. `partial`: some of it was. Anything less certain is not this error:
    let the transport's error pass, and the executor records the outcome as unknown.
    """

    def __init__(self, detail: str, outcome: FailureOutcome = FailureOutcome.NO_EFFECT) -> None:
        super().__init__(detail)
        self.detail = detail
        self.outcome = outcome


class IllegalTransitionError(OperatorError):
    """The lifecycle has no such step; reaching this is a bug."""

    def __init__(self, proposal_id: int, source: ActionStatus | None, transition: str) -> None:
        start = source.value if source else "nothing"
        super().__init__(f"Action {proposal_id}: {transition} cannot start from {start}.")
        self.proposal_id = proposal_id
        self.transition = transition
