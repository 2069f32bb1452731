"""A system acted upon: how it is observed, what is wrong with it, and what it offers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from actions.diagnosis.models import DiagnosisOutput
from actions.registry import ActionDefinition


class Observation(BaseModel):
    """The state of a subject at one moment. A source that did not answer is part of it, never a zero."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    observed_at: datetime


O_contra = TypeVar("O_contra", bound=Observation, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A violated invariant: where, and what is to be said of it."""

    target: str
    output: DiagnosisOutput


def _can_tell(_seen: Observation, _target: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[O_contra]):
    """One way a subject can be broken. Rules are tried in order; the first that finds something speaks."""

    id: str
    check: Callable[[O_contra], Finding | None]
    """Pure: from an observation to a finding, or None if this is not what is wrong."""
    disproved_by: str
    """What would show that this diagnosis is mistaken."""
    hold: float = 0.0
    """Seconds that the violation must last before it is reported; for states that pass by themselves."""
    can_tell: Callable[[O_contra, str], bool] = _can_tell
    """Whether an observation that does not show the violation on this target shows that it is gone.

    It does not where the source was silent: then the ticket stays open.
    """


class Subject(Protocol):
    """A configured system."""

    @property
    def name(self) -> str:
        """As the configuration names it."""
        ...

    @property
    def kind(self) -> str:
        """What sort of system it is."""
        ...

    async def observe(self) -> Observation:
        """Read the state. Raises `TargetUnavailableError` only if nothing at all could be read."""
        ...

    @property
    def rules(self) -> Sequence[Rule[Any]]:
        """The rules over this subject's observations, in order."""
        ...

    @property
    def actions(self) -> Sequence[ActionDefinition[Any]]:
        """The actions that this subject offers."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
