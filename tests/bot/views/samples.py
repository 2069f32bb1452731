"""Records to draw: an etcd cluster that ran out of space, in every state that its repair can be in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from actions.canonical import Json, digest
from actions.diagnosis.models import ActionRecommendation, Alternative, Diagnosis, DiagnosisOutput, Severity
from actions.models import (
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Approval,
    AuditEvent,
    Fact,
    Review,
    Risk,
    Step,
    Urgency,
    Via,
)
from actions.policy import missing
from actions.ports import Dossier, Quorum
from actions.readings import Reading
from actions.registry import Preview
from actions.schedule import Schedule
from bot.views.card_view import CardView

NOW: Final = datetime(2026, 3, 1, 2, 12, 5, tzinfo=UTC)
TOKEN: Final = "5e1f" * 8
SHOWN: Final[dict[str, Json]] = {"members": ["n1", "n2", "n3"], "revision": 122}
SCHEDULE: Final = Schedule()
TITLE: Final = "Compact the history, then defragment each member, the leader last"


def an_output(**changes: Any) -> DiagnosisOutput:
    output = DiagnosisOutput(
        timeline="02:09:51 UTC first write refused; 02:10:05 UTC alarm seen on all members.",
        affected_components=("n1", "n2", "n3"),
        metric_readings={"db size": "4562944", "quota": "4194304"},
        primary_diagnosis="The backend quota is used up: the cluster is read-only (alarm NOSPACE).",
        confidence="certain",
        supporting_evidence=(
            "status.errors: memberID:11048590297669999681 alarm:NOSPACE",
            "dbSize/quota: 4562944/4194304 bytes",
            "reclaimable by defragmentation before compaction: 483328 bytes",
        ),
        alternatives_considered=(
            Alternative(
                hypothesis="The disk is full",
                supporting="Writes fail",
                contradicting="The volume has 61 % free",
                conclusion="Ruled out",
            ),
        ),
        recommended_action="Compact to the current revision, defragment, disarm the alarm.",
        action_commands=("etcdctl compact 122", "etcdctl defrag --cluster"),
        severity=Severity.CRITICAL,
        risks=("Each member stops answering while it is defragmented",),
        recommended_actions=(
            ActionRecommendation(
                action_name="etcd.free_space",
                parameters={"members": ["n1", "n2", "n3"], "revision": 122},
                reason="Compaction and defragmentation free 91 % of the file.",
                expected_outcome="Writes are accepted again.",
            ),
        ),
    )
    return output.model_copy(update=changes)


def a_diagnosis(**changes: Any) -> Diagnosis:
    diagnosis = Diagnosis(
        id=7,
        source_key="etcd:nospace:cluster:1",
        subject="etcd",
        target="cluster",
        source="rule:nospace_alarm",
        output=an_output(),
        made_at=NOW - timedelta(minutes=2),
        observed_only=False,
    )
    return replace(diagnosis, **changes)


def a_proposal(**changes: Any) -> ActionProposal:
    proposal = ActionProposal(
        id=12,
        token="a" * 32,
        button_hash="b" * 64,
        source_key="diagnosis:7:0",
        action_name="etcd.free_space",
        definition_hash="c" * 64,
        parameters=SHOWN,
        params_hash=digest(SHOWN),
        subject="etcd",
        target="cluster",
        risk=Risk.MEDIUM,
        required_approvals=1,
        reason="Compaction and defragmentation free 91 % of the file.",
        urgency=Urgency.IMMEDIATE,
        expected_outcome="Writes are accepted again.",
        risks=("Each member stops answering for about 2 s while it is defragmented.",),
        proposed_by="agent:rules",
        proposed_at=NOW - timedelta(seconds=110),
        expires_at=NOW + timedelta(minutes=13),
        epoch=3,
        subject_epoch=1,
        status=ActionStatus.VALIDATED,
        diagnosis_id=7,
        impact=(
            Fact(label="file size", value="4.4 MiB → 0.4 MiB"),
            Fact(label="members restarted", value="0"),
            Fact(label="time", value="about 6 s"),
        ),
    )
    return replace(proposal, **changes)


def an_approval(person: str = "ann", actor: str = "slack:T1/UANN", **changes: Any) -> Approval:
    approval = Approval(
        proposal_id=12,
        person=person,
        actor=actor,
        via=Via.SLACK,
        params_hash=digest(SHOWN),
        at=NOW - timedelta(seconds=30),
    )
    return replace(approval, **changes)


def a_record(**changes: Any) -> ActionRecord:
    record = ActionRecord(
        proposal_id=12,
        token="a" * 32,
        owner="host/1/a",
        fence=1,
        started_at=NOW - timedelta(seconds=20),
        finished_at=NOW - timedelta(seconds=12),
        steps=(Step(name="compact", state="done"), Step(name="defragment n1", state="done", detail="1.8 s")),
        result="Freed 4.0 MiB; the alarm is off.",
        evidence=(Fact(label="alarms", value="none"), Fact(label="db size", value="417792")),
    )
    return replace(record, **changes)


def a_review(**changes: Any) -> Review:
    review = Review(
        proposal_id=12,
        opened_at=NOW - timedelta(seconds=30),
        opened_by="slack:T1/UANN",
        person="ann",
        reason="the shop is down",
    )
    return replace(review, **changes)


def a_reading(*, refusal: str | None = None, drift: str = "") -> Reading:
    return Reading(preview=Preview(impact=(), pins={}, refusal=refusal), read_at=NOW, drift=drift)


def an_event(seq: int, event: str, actor: str = "agent:rules", **changes: Any) -> AuditEvent:
    line = AuditEvent(
        seq=seq,
        at=NOW - timedelta(seconds=120 - seq),
        proposal_id=12,
        event=event,
        actor=actor,
        via=Via.AGENT,
        data={"version": seq},
        prev="0" * 64,
        hash="1" * 64,
    )
    return replace(line, **changes)


_BESIDE: Final = ("approvals", "record", "audit", "diagnosis", "replaces", "replaced_by", "review")


def a_dossier(**changes: Any) -> Dossier:
    """A proposal with all that belongs to it; *changes* that are fields of the proposal go there."""
    own = {name: changes.pop(name) for name in _BESIDE if name in changes}
    dossier = Dossier(
        proposal=a_proposal(**changes),
        approvals=(),
        record=None,
        audit=(an_event(1, "proposed"), an_event(2, "validated")),
        diagnosis=a_diagnosis(),
        message=None,
    )
    return replace(dossier, **own)


_OF_THE_CARD: Final = ("follow_ups", "reading", "opening", "editable", "breakable", "undoable_until")


def a_card(*, button_token: str | None = TOKEN, approvers: tuple[str, ...] = ("ann", "bo"), **changes: Any) -> CardView:
    undo_hint, needs = changes.pop("undo_hint", None), changes.pop("needs", ())
    own = {name: changes.pop(name) for name in _OF_THE_CARD if name in changes}
    dossier = a_dossier(**changes)
    proposal = dossier.proposal
    quorum = Quorum(people=dossier.proposal.required_approvals, needs=frozenset(needs))
    view = CardView(
        dossier=dossier,
        title=TITLE,
        button_token=button_token,
        approvers=approvers,
        now=NOW,
        undo_hint=undo_hint,
        lacking=missing(proposal, quorum, dossier.approvals),
        opening=SCHEDULE.opening(proposal, NOW),
        abortable=SCHEDULE.is_abortable(proposal, NOW),
    )
    return replace(view, **own)
