from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.diagnosis.models import Severity
from actions.subject import Finding
from actions.subjects.etcd.client import ListedMember
from actions.subjects.etcd.observe import EtcdObservation, MemberReading
from actions.subjects.etcd.rules import ETCD_RULES
from actions.subjects.process import Process, ProcessState
from actions.subjects.transport import Why
from tests.factories import START
from tests.subjects.recorded import QUOTA, recorded_diagnosis, recorded_observation


def found(seen: EtcdObservation) -> list[tuple[str, Finding]]:
    return [(rule.id, finding) for rule in ETCD_RULES if (finding := rule.check(seen)) is not None]


def a_member(name: str, **over: Any) -> MemberReading:
    number = int(name.removeprefix("n"))
    fields: dict[str, Any] = {
        "name": name,
        "url": f"http://127.0.0.1:{2378 + number}",
        "reachable": True,
        "id": f"{number}00",
        "cluster_id": "9",
        "leader": "100",
        "db_size": 1_000_000,
        "db_in_use": 900_000,
        "quota": QUOTA,
        "revision": 50,
        "term": 3,
        "applied_index": 60,
        "process_name": f"etcd-{name}",
        "process": a_process(name, ProcessState.RUNNING),
    }
    return MemberReading(**{**fields, **over})


def a_process(name: str, state: ProcessState, **over: Any) -> Process:
    return Process(**{"name": f"etcd-{name}", "state": state, "pid": 7 if state is ProcessState.RUNNING else 0, **over})


def silent(name: str, why: Why, state: ProcessState | None) -> MemberReading:
    process = None if state is None else a_process(name, state)
    nothing = dict.fromkeys(("id", "leader", "db_size", "db_in_use", "quota", "revision", "term", "applied_index"))
    return a_member(name, reachable=False, why=why, detail="silence", process=process, **nothing)


def cluster(*members: MemberReading, **over: Any) -> EtcdObservation:
    return EtcdObservation(
        **{"subject": "etcd", "observed_at": START, "members": members, "supervisor": "supervisor", **over}
    )


def well(*names: str) -> list[MemberReading]:
    return [a_member(name) for name in names]


def recommended(finding: Finding) -> list[tuple[str, dict[str, Any]]]:
    return [(action.action_name, action.parameters) for action in finding.output.recommended_actions]


@pytest.mark.parametrize(
    ("fault", "rule", "action"),
    [
        ("kill9_follower", "member_process_exited", ("supervisor.start_process", {"name": "etcd-n2"})),
        ("sigstop_member", "member_hung", ("supervisor.restart_process", {"name": "etcd-n3"})),
        ("nospace", "quota_full", ("etcd.reclaim_space", {"compact": True})),
    ],
)
def test_a_recorded_fault_is_recognised_and_its_repair_recommended(
    fault: str, rule: str, action: tuple[str, dict[str, Any]]
) -> None:
    diagnosed = recorded_diagnosis(fault)

    (rule_id, finding), *others = found(recorded_observation(fault))

    assert rule_id == rule
    assert others == []
    assert finding.target == diagnosed["target"]
    assert finding.output.severity.value.lower() == diagnosed["severity"]
    assert finding.output.confidence.startswith(diagnosed["confidence"])
    assert recommended(finding) == [action]


@pytest.mark.parametrize("fault", ["kill9_follower", "sigstop_member", "nospace"])
def test_a_diagnosis_is_complete(fault: str) -> None:
    ((_, finding),) = found(recorded_observation(fault))
    said = finding.output

    assert said.timeline.startswith("2026-03-01 12:00:00 UTC")
    assert {"n1", "n2", "n3"} <= set(said.timeline.replace(".", " ").replace(",", " ").split())
    assert said.affected_components
    assert said.metric_readings["Quorum"] == "2 of 3 voters"
    assert said.supporting_evidence
    assert 2 <= len(said.alternatives_considered) <= 3
    assert all(a.contradicting and a.conclusion for a in said.alternatives_considered)
    assert said.action_commands
    assert said.risks


def test_a_healthy_cluster_gives_rise_to_nothing() -> None:
    assert found(cluster(*well("n1", "n2", "n3"))) == []


def test_a_member_that_does_not_answer_is_evidence_and_never_a_zero() -> None:
    ((_, finding),) = found(recorded_observation("kill9_follower"))
    said = finding.output

    assert any(line.startswith("POST /v3/maintenance/status on n2: ") for line in said.supporting_evidence)
    assert "supervisor: etcd-n2 is EXITED, ended by a signal" in said.supporting_evidence
    assert "n2: database" not in said.metric_readings


def test_two_silent_of_three_have_lost_the_quorum_and_are_started_not_removed() -> None:
    down = [silent(name, Why.REFUSED, ProcessState.EXITED) for name in ("n2", "n3")]
    seen = cluster(a_member("n1", leader=None, errors=("etcdserver: no leader",)), *down)

    (first, finding), *_ = found(seen)

    assert first == "quorum_lost"
    assert finding.target == "cluster"
    assert recommended(finding) == [
        ("supervisor.start_process", {"name": "etcd-n2"}),
        ("supervisor.start_process", {"name": "etcd-n3"}),
    ]
    assert not any("member remove" in command for command in finding.output.action_commands)


def test_a_quorum_of_hanging_members_is_restarted() -> None:
    seen = cluster(a_member("n1", leader=None), *(silent(n, Why.TIMEOUT, ProcessState.RUNNING) for n in ("n2", "n3")))

    (first, finding), *_ = found(seen)

    assert first == "quorum_lost"
    assert [name for name, _ in recommended(finding)] == ["supervisor.restart_process"] * 2


def test_members_that_only_this_side_cannot_reach_are_no_lost_quorum() -> None:
    seen = cluster(*well("n1"), silent("n2", Why.TIMEOUT, None), silent("n3", Why.TIMEOUT, None))

    assert [rule for rule, _ in found(seen)] == ["member_unreachable"]


def test_without_a_supervisor_nothing_is_proposed_for_a_dead_member() -> None:
    seen = cluster(*well("n1", "n3"), silent("n2", Why.REFUSED, None), supervisor=None)

    rules = dict(found(seen))

    assert set(rules) == {"member_lost", "member_unreachable"}
    assert all(recommended(finding) == [] for finding in rules.values())
    assert any("member add n2 --learner" in command for command in rules["member_lost"].output.action_commands)


def test_a_lost_member_is_told_of_only_after_ten_minutes() -> None:
    holds = {rule.id: rule.hold for rule in ETCD_RULES}

    assert holds["member_lost"] == 600
    assert holds["election_in_progress"] == 3
    assert holds["member_process_exited"] == 0


@pytest.mark.parametrize(
    ("state", "over", "told"),
    [
        (ProcessState.EXITED, {"exit_status": 3}, "EXITED with exit code 3"),
        (ProcessState.EXITED, {"exit_status": -1}, "EXITED after a signal"),
        (ProcessState.FATAL, {"spawn_error": "Exited too quickly"}, "supervisord gave up on it"),
        (ProcessState.STOPPED, {}, "ask who did, then start it"),
    ],
)
def test_how_a_process_ended_is_told_and_it_is_started_all_the_same(
    state: ProcessState, over: dict[str, Any], told: str
) -> None:
    down = silent("n2", Why.REFUSED, state).model_copy(update={"process": a_process("n2", state, **over)})

    ((rule, finding),) = found(cluster(*well("n1", "n3"), down))

    assert rule == "member_process_exited"
    assert told in finding.output.model_dump_json()
    assert recommended(finding) == [("supervisor.start_process", {"name": "etcd-n2"})]


def test_a_larger_cluster_can_still_spare_a_member() -> None:
    names = ("n1", "n3", "n4", "n5")

    ((_, finding),) = found(cluster(*well(*names), silent("n2", Why.REFUSED, ProcessState.EXITED)))

    assert "1 more may fail" in finding.output.primary_diagnosis
    assert finding.output.risks == ()


def test_a_learner_that_died_is_only_a_warning() -> None:
    learner = silent("n3", Why.REFUSED, ProcessState.EXITED).model_copy(update={"is_learner": True})

    ((_, finding),) = found(cluster(*well("n1", "n2"), learner))

    assert finding.output.severity is Severity.WARNING


def test_learners_do_not_count_towards_the_quorum() -> None:
    listed = tuple(ListedMember(id=f"{n}00", name=f"n{n}", is_learner=n > 2) for n in (1, 2, 3))

    seen = cluster(*well("n1", "n2"), a_member("n3", is_learner=True), listed=listed)

    assert (seen.voters, seen.quorum, len(seen.reachable_voters)) == (2, 2, 2)


@pytest.mark.parametrize(
    ("in_use", "rule", "compact"), [(QUOTA - 100_000, "quota_full", True), (100_000, "fragmented", False)]
)
def test_history_is_dropped_only_where_defragmenting_is_not_enough(in_use: int, rule: str, compact: bool) -> None:
    full = [
        a_member(n, db_size=QUOTA + 4096, db_in_use=in_use, errors=("memberID:100 alarm:NOSPACE ",))
        for n in ("n1", "n2", "n3")
    ]

    ((rule_id, finding),) = found(cluster(*full))

    assert rule_id == rule
    assert recommended(finding) == [("etcd.reclaim_space", {"compact": compact})]
    assert any("compact" in command for command in finding.output.action_commands) is compact
    assert finding.output.affected_components == ("n1",)


def test_the_leader_is_defragmented_last() -> None:
    full = [a_member(n, db_size=QUOTA, errors=("memberID:300  alarm:NOSPACE",)) for n in ("n1", "n2", "n3")]

    ((_, finding),) = found(cluster(*full))
    defragmented = [command for command in finding.output.action_commands if command.endswith("defrag")]

    assert "2379" in defragmented[-1]
    assert len(defragmented) == 3


def test_a_database_that_is_nearly_full_is_told_of_before_it_refuses_writes() -> None:
    members = [a_member(name, db_size=int(QUOTA * 0.85), db_in_use=int(QUOTA * 0.84)) for name in ("n1", "n2", "n3")]

    ((rule, finding),) = found(cluster(*members))

    assert rule == "quota_low"
    assert finding.output.severity is Severity.WARNING
    assert "85 %" in finding.output.primary_diagnosis


def test_a_quota_that_could_not_be_read_is_not_taken_for_a_small_one() -> None:
    members = [a_member(name, quota=None, db_size=10**9, db_in_use=10**9) for name in ("n1", "n2", "n3")]

    assert found(cluster(*members)) == []


def test_differing_data_is_never_repaired_by_a_button() -> None:
    corrupt = [a_member(name, errors=("memberID:200 alarm:CORRUPT ",)) for name in ("n1", "n2", "n3")]

    ((rule, finding),) = found(cluster(*corrupt))

    assert rule == "data_differs"
    assert finding.output.affected_components == ("n2",)
    assert recommended(finding) == []


def test_an_election_is_no_lost_quorum() -> None:
    seen = cluster(*(a_member(name, leader=None) for name in ("n1", "n2", "n3")))

    ((rule, finding),) = found(seen)

    assert rule == "election_in_progress"
    assert recommended(finding) == []


def test_two_leaders_are_a_partition() -> None:
    seen = cluster(a_member("n1"), a_member("n2", leader="200", term=4), a_member("n3", leader="200", term=4))

    ((rule, finding),) = found(seen)

    assert rule == "partition"
    assert "n1: n1" in finding.output.primary_diagnosis
    assert "n2, n3: n2" in finding.output.primary_diagnosis


@pytest.mark.parametrize("state", [ProcessState.STARTING, ProcessState.BACKOFF])
def test_a_member_that_is_being_started_is_left_alone(state: ProcessState) -> None:
    ((rule, finding),) = found(cluster(*well("n1", "n2"), silent("n3", Why.REFUSED, state)))

    assert rule == "member_unreachable"
    assert finding.output.confidence.startswith("unknown")
    assert recommended(finding) == []


def test_every_rule_says_what_would_disprove_it() -> None:
    assert all(rule.disproved_by.endswith(".") for rule in ETCD_RULES)
    assert len({rule.id for rule in ETCD_RULES}) == len(ETCD_RULES)


texts = st.text(max_size=400)
readings = st.builds(
    MemberReading,
    name=st.sampled_from(["n1", "n2", "n3"]),
    url=st.just("http://127.0.0.1:2379"),
    reachable=st.booleans(),
    why=st.none() | st.sampled_from(Why),
    detail=texts,
    id=st.none() | st.sampled_from(["100", "200", "300", "x"]),
    cluster_id=st.none() | st.just("9"),
    leader=st.none() | st.sampled_from(["100", "200", "x" * 500]),
    is_learner=st.booleans(),
    errors=st.lists(st.just("memberID:200 alarm:NOSPACE ") | texts, max_size=20).map(tuple),
    version=texts,
    db_size=st.none() | st.integers(0, 2**62),
    db_in_use=st.none() | st.integers(0, 2**62),
    quota=st.none() | st.integers(1, 2**62),
    revision=st.none() | st.integers(0, 2**62),
    term=st.none() | st.integers(0, 2**62),
    applied_index=st.none() | st.integers(0, 2**62),
    process_name=st.none() | st.just("etcd-n1"),
    process=st.none()
    | st.builds(Process, name=st.just("etcd-n1"), state=st.sampled_from(ProcessState), spawn_error=texts),
)


@given(members=st.lists(readings, min_size=1, max_size=5), problem=texts)
def test_no_observation_makes_a_rule_fail(members: Sequence[MemberReading], problem: str) -> None:
    seen = cluster(*members, processes_problem=problem)

    for rule_id, finding in found(seen):
        assert finding.target == "cluster" or seen.by_name(finding.target), rule_id
        assert not any("remove" in action.action_name for action in finding.output.recommended_actions)
