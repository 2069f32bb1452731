"""What a diagnoser says: what is wrong, how sure it is and why, and what it would do about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from actions.canonical import canonical_json
from actions.models import Urgency

Line = Annotated[str, StringConstraints(max_length=1_000)]
Passage = Annotated[str, StringConstraints(max_length=8_000)]
Lines = Annotated[tuple[Line, ...], Field(max_length=100)]


class Severity(StrEnum):
    """How bad it is now."""

    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _storable(parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    canonical_json(parameters)  # refuses integers beyond 64 bits and halves of characters, which no database keeps
    return parameters


class ActionRecommendation(_Document):
    """What to do about it: a registered action with concrete parameters."""

    action_name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_storable)]
    reason: Passage
    urgency: Urgency = Urgency.SOON
    expected_outcome: Passage
    risks: Lines = ()


class Alternative(_Document):
    """Another explanation, and why it was kept or ruled out."""

    hypothesis: Passage
    supporting: Passage
    contradicting: Passage
    conclusion: Passage


class DiagnosisOutput(_Document):
    """What is wrong with a system, in the order in which an engineer would tell it."""

    timeline: Passage
    affected_components: Lines
    metric_readings: Annotated[dict[Line, Line], Field(max_length=100)]
    primary_diagnosis: Passage
    confidence: Line
    supporting_evidence: Lines
    alternatives_considered: Annotated[tuple[Alternative, ...], Field(max_length=20)]
    recommended_action: Passage
    action_commands: Lines
    severity: Severity
    risks: Lines
    recommended_actions: Annotated[tuple[ActionRecommendation, ...], Field(max_length=20)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A stored diagnosis: the output, and where it came from."""

    id: int
    source_key: str
    subject: str
    target: str
    source: str
    """Who diagnosed: `rule:<id>`, or the name an HTTP client gave."""
    output: DiagnosisOutput
    made_at: datetime
    observed_only: bool
    """Posted without buttons, because nothing might be proposed at that time."""
    channel: str | None = None
    ticket_key: str | None = None


class TicketStatus(StrEnum):
    """Whether a violation still holds."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A person did not want what was proposed for a violation; the next diagnosis says so."""

    at: str
    """In UTC, as ISO 8601 writes it."""
    by: str
    action_name: str
    code: str
    """A `RefusalCode`; empty if none was chosen."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One violated invariant, from the first observation that showed it to the first that did not."""

    key: str
    """`<subject>:<rule>:<target>`; one ticket per key, reopened when the violation returns."""
    subject: str
    rule: str
    target: str
    status: TicketStatus
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None = None
    occurrences: int = 1
    """Observations that showed it since it was opened."""
    reopened: int = 0
    """Times it came back within the flapping window."""
    diagnosis_id: int | None = None
    """The diagnosis last posted for it since it was opened; None while it has none."""
    epoch: int | None = None
    """The combined epoch of the control rows in which that diagnosis was posted."""
    refused: tuple[Refused, ...] = ()
    """What people refused of what was proposed for it, the newest last; it outlives reopening."""

    @property
    def flapping(self) -> bool:
        """Return whether it keeps coming back: at least three times within the flapping window."""
        return self.reopened >= 3
