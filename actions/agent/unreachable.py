"""What is said of a subject that cannot be observed at all: silence is a finding, not the absence of one."""

from datetime import datetime
from typing import Final

from actions.diagnosis.models import Alternative, DiagnosisOutput, Severity
from actions.printable import printable
from actions.subject import Finding

UNREACHABLE: Final = "unreachable"
"""The rule under which silence has its ticket; every subject has it."""
HOLD: Final = 30.0
"""Seconds that silence must last before it is reported."""


def unreachable(subject: str, why: str, at: datetime) -> Finding:
    """Return the finding that nothing of *subject* could be read, for the reason *why*."""
    why = printable(why, 500)
    output = DiagnosisOutput(
        timeline=f"{at:%Y-%m-%d %H:%M:%S} UTC: {why}",
        affected_components=(subject,),
        metric_readings={},
        primary_diagnosis=(
            f"{subject} cannot be observed: nothing of it could be read from here. Whether it works is not known, and "
            "faults that were open before count as open."
        ),
        confidence="certain that nothing was heard; on which side the fault lies is unknown",
        supporting_evidence=(why,),
        alternatives_considered=(
            Alternative(
                hypothesis="Only this side is cut off.",
                supporting="Everything was asked from one place.",
                contradicting="Nothing seen here speaks against it.",
                conclusion="Look first from another host.",
            ),
            Alternative(
                hypothesis=f"{subject} is down as a whole.",
                supporting="No part of it was heard.",
                contradicting="Nothing seen here speaks against it.",
                conclusion="Open.",
            ),
        ),
        recommended_action=(
            f"Try to reach {subject} from another host. If it answers there, repair the way from here to it; if it "
            "does not, repair it by hand: as long as it cannot be read, nothing is proposed."
        ),
        action_commands=(),
        severity=Severity.CRITICAL,
        risks=(),
    )
    return Finding(target=subject, output=output)
