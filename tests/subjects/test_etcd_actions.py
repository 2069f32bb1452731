from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from actions.canonical import Json, canonical_json
from actions.errors import ActionFailedError, BadParametersError, ConfigurationError, TargetUnavailableError
from actions.models import FailureOutcome, Risk
from actions.registry import ActionDefinition, ActionRegistry, Done, Happened, Preview, Verdict
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.process import Process
from actions.subjects.transport import OutcomeUnknownError, Why
from actions.validation import validate_action_params
from tests.subjects.fake_etcd import MIB, FakeEtcd, FakeMember
from tests.subjects.recorded import QUOTA
from tests.subjects.steps import RecordedSteps

FULL = [("100", "NOSPACE"), ("200", "NOSPACE")]


class Action:
    """One action of a fake cluster."""

    def __init__(self, etcd: FakeEtcd, name: str, **config: Any) -> None:
        self.definition: ActionDefinition[Any] = ActionRegistry(etcd.subject(**config).actions).get(f"etcd.{name}")

    def _model(self, parameters: Mapping[str, Json]) -> Any:
        return validate_action_params(self.definition, parameters)

    async def preview(self, **parameters: Json) -> Preview:
        return await self.definition.preview(self._model(parameters))

    async def execute(self, steps: RecordedSteps | None = None, /, **parameters: Json) -> Done:
        return await self.definition.execute(self._model(parameters), steps or RecordedSteps())

    async def verify(self, before: Mapping[str, Json], /, **parameters: Json) -> Verdict:
        return await self.definition.verify(self._model(parameters), before)


def test_risks_parameters_and_target_are_as_the_catalogue_says() -> None:
    definitions = {definition.name: definition for definition in FakeEtcd().subject().actions}

    assert {name: definition.risk for name, definition in definitions.items()} == {
        "etcd.move_leader": Risk.MEDIUM,
        "etcd.defragment": Risk.MEDIUM,
        "etcd.compact": Risk.MEDIUM,
        "etcd.disarm_alarm": Risk.LOW,
        "etcd.reclaim_space": Risk.MEDIUM,
    }
    assert [param.type for param in definitions["etcd.disarm_alarm"].params] == ["string", "one of NOSPACE, CORRUPT"]
    assert all(param.description for definition in definitions.values() for param in definition.params)
    assert {definition.target(None) for definition in definitions.values()} == {"cluster"}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("move_leader", {"target_member": "n1; rm -rf /"}),
        ("defragment", {"member": ""}),
        ("compact", {"revision": 1}),
        ("compact", {"revision": "5"}),
        ("compact", {"revision": True}),
        ("compact", {"revision": 5, "keep": -1}),
        ("disarm_alarm", {"member_id": "0", "alarm": "NOSPACE"}),
        ("disarm_alarm", {"member_id": "100", "alarm": "NONE"}),
        ("reclaim_space", {"compact": 1}),
    ],
)
def test_parameters_that_etcd_would_take_amiss_are_refused(name: str, parameters: Mapping[str, Any]) -> None:
    definition = Action(FakeEtcd(), name).definition

    with pytest.raises(BadParametersError):
        validate_action_params(definition, parameters)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("move_leader", {"target_member": "n2"}),
        ("defragment", {"member": "n2"}),
        ("compact", {"revision": 50}),
        ("disarm_alarm", {"member_id": "100", "alarm": "NOSPACE"}),
        ("reclaim_space", {}),
    ],
)
async def test_pins_stand_still_while_a_cluster_goes_about_its_work(name: str, parameters: Mapping[str, Any]) -> None:
    etcd = FakeEtcd(alarms=FULL[:1])
    action = Action(etcd, name)
    first = await action.preview(**parameters)

    etcd.revision += 1000
    for member in etcd.members:
        member.db_size += 5000
        member.applied += 1000
    etcd.alarms.append(("200", "NOSPACE"))
    later = await action.preview(**parameters)

    assert later.pins == first.pins
    assert canonical_json(first.before)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("move_leader", {"target_member": "n2"}),
        ("defragment", {"member": "n1"}),
        ("reclaim_space", {}),
        ("disarm_alarm", {"member_id": "100", "alarm": "NOSPACE"}),
    ],
)
async def test_pins_move_when_the_decision_has_lost_its_ground(name: str, parameters: Mapping[str, Any]) -> None:
    etcd = FakeEtcd(alarms=FULL[:1])
    action = Action(etcd, name)
    first = await action.preview(**parameters)

    etcd.alarms.clear()
    etcd.term += 1
    for member in etcd.members:
        member.leader = "300"
    later = await action.preview(**parameters)

    assert later.pins != first.pins


def nobody_answers(etcd: FakeEtcd) -> None:
    for member in etcd.members:
        member.answers = False


def no_leader(etcd: FakeEtcd) -> None:
    for member in etcd.members:
        member.leader = ""


def n2_is_silent(etcd: FakeEtcd) -> None:
    etcd["n2"].answers = False


def n2_learns(etcd: FakeEtcd) -> None:
    etcd["n2"].is_learner = True


def n2_is_behind(etcd: FakeEtcd) -> None:
    etcd["n1"].applied += 5000


def a_stranger_votes(etcd: FakeEtcd) -> None:
    etcd.strangers.append(("400", "n4"))


def n3_holds_other_data(etcd: FakeEtcd) -> None:
    etcd["n3"].hash = 8
    etcd.alarms[:] = [("300", "CORRUPT")]


def quotas_are_not_told(etcd: FakeEtcd) -> None:
    for member in etcd.members:
        member.quota = None


def nothing(etcd: FakeEtcd) -> None:
    del etcd


@pytest.mark.parametrize(
    ("name", "parameters", "trouble", "refusal"),
    [
        ("move_leader", {"target_member": "n9"}, nothing, "no member n9; there are n1, n2, n3"),
        ("move_leader", {"target_member": "n2"}, n2_is_silent, "does not answer"),
        ("move_leader", {"target_member": "n2"}, n2_learns, "only learns"),
        ("move_leader", {"target_member": "n2"}, n2_is_behind, "5000 entries behind"),
        ("move_leader", {"target_member": "n2"}, no_leader, "agree on no leader"),
        ("move_leader", {"target_member": "n1"}, nothing, "leads already"),
        ("defragment", {"member": "n9"}, nothing, "no member n9"),
        ("defragment", {"member": "n2"}, n2_is_silent, "cannot be read"),
        ("defragment", {"member": "n3"}, n2_is_silent, "1 of 3 voters would be left"),
        ("defragment", {"member": "n2"}, n2_learns, "only learns"),
        ("compact", {"revision": 500}, nothing, "does not exist yet"),
        ("compact", {"revision": 50, "keep": 49}, nothing, "nothing before revision 50 would go"),
        ("compact", {"revision": 50}, lambda etcd: setattr(etcd, "compacted", 60), "gone already"),
        ("disarm_alarm", {"member_id": "300", "alarm": "NOSPACE"}, nothing, "not armed for n3"),
        ("disarm_alarm", {"member_id": "100", "alarm": "NOSPACE"}, nothing, "no space yet"),
        ("disarm_alarm", {"member_id": "100", "alarm": "NOSPACE"}, quotas_are_not_told, "could not be read"),
        ("disarm_alarm", {"member_id": "300", "alarm": "CORRUPT"}, n3_holds_other_data, "data differs at revision"),
        ("reclaim_space", {}, n2_is_silent, "n2 cannot be read"),
        ("reclaim_space", {}, no_leader, "agree on no leader"),
        ("reclaim_space", {}, a_stranger_votes, "also has n4"),
    ],
)
async def test_what_would_fail_or_hurt_is_refused_and_nothing_is_sent(
    name: str, parameters: Mapping[str, Any], trouble: Any, refusal: str
) -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    trouble(etcd)
    action = Action(etcd, name)

    preview = await action.preview(**parameters)

    assert preview.refusal is not None
    assert refusal in preview.refusal
    assert etcd.writes == []


@pytest.mark.parametrize(
    ("name", "parameters", "trouble"),
    [
        ("move_leader", {"target_member": "n2"}, no_leader),
        ("move_leader", {"target_member": "n9"}, nothing),
        ("defragment", {"member": "n3"}, n2_is_silent),
        ("disarm_alarm", {"member_id": "100", "alarm": "NOSPACE"}, nothing),
        ("reclaim_space", {}, n2_is_silent),
        ("compact", {"revision": 50}, nobody_answers),
    ],
)
async def test_the_ground_is_looked_at_again_before_anything_is_sent(
    name: str, parameters: Mapping[str, Any], trouble: Any
) -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    trouble(etcd)

    with pytest.raises(ActionFailedError) as caught:
        await Action(etcd, name).execute(**parameters)

    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert etcd.writes == []


async def test_room_is_made_in_the_order_that_works() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    action = Action(etcd, "reclaim_space")
    preview = await action.preview()
    steps = RecordedSteps()

    done = await action.execute(steps)

    assert etcd.writes == [
        "n3 compaction 100 physical=True",
        "n3 defragment",
        "n2 defragment",
        "n1 defragment",
        "n1 disarm 100 NOSPACE",
        "n1 disarm 200 NOSPACE",
    ]
    assert steps.done[0] == "compact to revision 100"
    assert "Lost for good" in [fact.label for fact in preview.impact]
    assert "disarmed" in done.detail
    assert (await action.verify(preview.before)).happened is Happened.YES


async def test_nothing_is_done_once_stopped_before_the_first_step() -> None:
    etcd = FakeEtcd(alarms=list(FULL))

    with pytest.raises(ActionFailedError, match="kill switch") as caught:
        await Action(etcd, "reclaim_space").execute(RecordedSteps(stop_before="compact"))

    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert etcd.writes == []


@pytest.mark.parametrize(("config", "last"), [({}, "Test read"), ({"probe_key": "probe"}, "Test write")])
async def test_a_test_write_is_made_only_where_a_key_is_named_for_it(config: Mapping[str, Any], last: str) -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    action = Action(etcd, "reclaim_space", **config)
    preview = await action.preview()
    await action.execute()

    verdict = await action.verify(preview.before)

    assert verdict.happened is Happened.YES
    assert verdict.evidence[-1].label == last
    assert ("n1 put" in etcd.writes) is bool(config)


async def test_history_is_kept_where_that_was_asked_for() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    action = Action(etcd, "reclaim_space")
    preview = await action.preview(compact=False)

    await action.execute(compact=False)

    assert not [call for call in etcd.writes if "compaction" in call]
    assert (await action.verify(preview.before, compact=False)).happened is Happened.YES
    assert (await action.verify(preview.before, compact=True)).happened is Happened.NO


async def test_a_member_that_had_not_compacted_yet_is_defragmented_again() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    etcd["n2"].slow_to_compact = 1
    steps = RecordedSteps()

    await Action(etcd, "reclaim_space").execute(steps)

    assert "defragment n2 again" in steps.done
    assert etcd["n2"].db_size == MIB


async def test_alarms_that_are_raised_late_are_disarmed_too() -> None:
    def raise_another(etcd: FakeEtcd) -> None:
        if etcd.writes and etcd.writes[-1].endswith("disarm 200 NOSPACE") and "n1 disarm 300 NOSPACE" not in etcd.calls:
            etcd.alarms[:] = [("300", "NOSPACE")]

    etcd = FakeEtcd(alarms=list(FULL), after={"/v3/maintenance/alarm": raise_another})

    await Action(etcd, "reclaim_space").execute()

    assert etcd.alarms == []
    assert "n1 disarm 300 NOSPACE" in etcd.writes


async def test_an_alarm_that_keeps_returning_is_a_failure_in_part() -> None:
    etcd = FakeEtcd(alarms=list(FULL), rearms=True)

    with pytest.raises(ActionFailedError, match="arms itself again") as caught:
        await Action(etcd, "reclaim_space").execute()

    assert caught.value.outcome is FailureOutcome.PARTIAL


async def test_an_alarm_stays_armed_when_the_keys_themselves_fill_the_database() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    for member in etcd.members:
        member.live = QUOTA + 1

    with pytest.raises(ActionFailedError, match="Delete keys or raise --quota-backend-bytes") as caught:
        await Action(etcd, "reclaim_space").execute()

    assert caught.value.outcome is FailureOutcome.PARTIAL
    assert not [call for call in etcd.writes if "disarm" in call]


async def test_no_member_is_paused_once_another_has_gone() -> None:
    def lose_n2(etcd: FakeEtcd) -> None:
        etcd["n2"].answers = False

    etcd = FakeEtcd(alarms=list(FULL), after={"/v3/maintenance/defragment": lose_n2})

    with pytest.raises(ActionFailedError, match="n2 cannot be read") as caught:
        await Action(etcd, "reclaim_space").execute()

    assert caught.value.outcome is FailureOutcome.PARTIAL
    assert [call for call in etcd.writes if "defragment" in call] == ["n3 defragment"]


async def test_members_that_only_learn_are_left_out() -> None:
    members = [FakeMember(name=f"n{n}", id=f"{n}00", is_learner=n == 4) for n in (1, 2, 3, 4)]
    members[3].db_size = members[3].in_use = MIB
    etcd = FakeEtcd(members=members, alarms=list(FULL))
    action = Action(etcd, "reclaim_space")
    preview = await action.preview()

    await action.execute()

    assert "n4 defragment" not in etcd.writes
    assert (await action.verify(preview.before)).happened is Happened.YES


@pytest.mark.parametrize(
    ("change", "happened"),
    [
        ({"alarms": list(FULL)}, Happened.NO),
        ({"compacted": 0}, Happened.NO),
        ({"writable": False}, Happened.CANNOT_TELL),
    ],
)
async def test_room_counts_as_made_only_when_all_of_it_is_seen(change: Mapping[str, Any], happened: Happened) -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    action = Action(etcd, "reclaim_space", probe_key="probe")
    preview = await action.preview()
    await action.execute()

    for name, value in change.items():
        setattr(etcd, name, value)

    assert (await action.verify(preview.before)).happened is happened


async def test_a_test_write_that_is_refused_shows_that_there_is_no_room() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    action = Action(etcd, "reclaim_space", probe_key="probe")
    preview = await action.preview()
    await action.execute()
    etcd.after = {"/v3/kv/range": lambda etcd: etcd.alarms.append(("100", "CORRUPT"))}

    verdict = await action.verify(preview.before)

    assert verdict.happened is Happened.NO
    assert ("Test write", "etcdserver: mvcc: database space exceeded") in [
        (fact.label, fact.value) for fact in verdict.evidence
    ]


async def test_a_member_restarted_since_leaves_open_whether_it_was_defragmented() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    reclaim, defragment = Action(etcd, "reclaim_space"), Action(etcd, "defragment")
    before_all, before_one = await reclaim.preview(), await defragment.preview(member="n2")
    await reclaim.execute()

    etcd["n2"].started = "1.8e+09"

    assert (await reclaim.verify(before_all.before)).happened is Happened.CANNOT_TELL
    assert (await defragment.verify(before_one.before, member="n2")).happened is Happened.CANNOT_TELL


async def test_nothing_is_said_of_history_in_a_cluster_that_never_had_any() -> None:
    etcd = FakeEtcd(alarms=list(FULL), revision=1)
    action = Action(etcd, "reclaim_space")
    preview = await action.preview()

    await action.execute()

    assert not [call for call in etcd.writes if "compaction" in call]
    assert (await action.verify(preview.before)).happened is Happened.YES


@pytest.mark.parametrize("count", [1, 2])
async def test_a_cluster_without_a_member_to_spare_is_not_paused(count: int) -> None:
    members = [FakeMember(name=f"n{n}", id=f"{n}00") for n in range(1, count + 1)]
    action = Action(FakeEtcd(members=members, alarms=FULL[:1]), "reclaim_space")

    assert "voters would be left" in ((await action.preview()).refusal or "")


async def test_what_needs_a_voter_cannot_be_told_without_one() -> None:
    etcd = FakeEtcd(alarms=list(FULL))
    for member in etcd.members:
        member.is_learner = True

    verdict = await Action(etcd, "disarm_alarm").verify({}, member_id="100", alarm="NOSPACE")

    assert verdict.happened is Happened.CANNOT_TELL
    assert verdict.evidence[0].value == "No voter of etcd answers."


async def test_a_compaction_needs_a_quorum() -> None:
    etcd = FakeEtcd()
    etcd["n2"].answers = etcd["n3"].answers = False

    assert "a compaction needs 2" in ((await Action(etcd, "compact").preview(revision=50)).refusal or "")


async def test_a_database_with_nothing_to_give_back_is_still_seen_to_be_rewritten() -> None:
    etcd = FakeEtcd()
    etcd["n2"].live = etcd["n2"].db_size
    action = Action(etcd, "defragment")
    preview = await action.preview(member="n2")

    untouched = await action.verify(preview.before, member="n2")
    await action.execute(member="n2")
    done = await action.verify(preview.before, member="n2")

    assert (untouched.happened, done.happened) == (Happened.NO, Happened.YES)


@pytest.mark.parametrize(
    ("leader", "term", "happened"),
    [
        ("200", 4, Happened.YES),
        ("100", 3, Happened.NO),
        ("100", 5, Happened.CANNOT_TELL),
        ("300", 4, Happened.CANNOT_TELL),
    ],
)
async def test_a_move_is_judged_by_who_leads_and_in_which_term(leader: str, term: int, happened: Happened) -> None:
    etcd = FakeEtcd()
    action = Action(etcd, "move_leader")
    preview = await action.preview(target_member="n2")

    etcd.term = term
    for member in etcd.members:
        member.leader = leader

    assert (await action.verify(preview.before, target_member="n2")).happened is happened


async def test_a_move_cannot_be_told_while_the_members_disagree_or_too_few_answer() -> None:
    etcd = FakeEtcd()
    action = Action(etcd, "move_leader")
    preview = await action.preview(target_member="n2")

    etcd["n3"].leader = "200"
    divided = await action.verify(preview.before, target_member="n2")
    etcd["n3"].leader = None
    etcd["n2"].answers = etcd["n3"].answers = False
    alone = await action.verify(preview.before, target_member="n2")

    etcd["n1"].leader = ""
    leaderless = await action.verify(preview.before, target_member="n2")

    assert leaderless.evidence[0].value == "knows no leader"
    assert {verdict.happened for verdict in (divided, leaderless)} == {Happened.CANNOT_TELL}
    assert alone.happened is Happened.CANNOT_TELL


def test_a_move_is_undone_only_if_somebody_else_led() -> None:
    definition = Action(FakeEtcd(), "move_leader").definition
    model = validate_action_params(definition, {"target_member": "n2"})

    assert definition.undo is not None
    assert definition.undo(model, {"leader_name": "n1"}) == ("move_leader", {"target_member": "n1"})
    assert definition.undo(model, {"leader_name": "n2"}) is None
    assert definition.undo(model, {}) is None


async def test_a_compaction_whose_answer_says_nothing_is_not_known_to_have_failed() -> None:
    etcd = FakeEtcd(after={"/v3/kv/compaction": nobody_answers})

    await Action(etcd, "compact").execute(revision=50)
    verdict = await Action(etcd, "compact").verify({}, revision=50)
    for member in etcd.members:
        member.answers = True

    assert verdict.happened is Happened.CANNOT_TELL
    assert (await Action(etcd, "compact").verify({}, revision=50)).happened is Happened.YES


async def test_a_write_that_etcd_lost_track_of_passes_as_unknown() -> None:
    etcd = FakeEtcd(writable=False)
    subject = etcd.subject()

    with pytest.raises(OutcomeUnknownError):
        await subject._cluster.client.put("n1", "key", "value")


async def test_a_member_may_be_stopped_only_while_the_others_carry_the_quorum() -> None:
    etcd = FakeEtcd()
    subject = etcd.subject(supervisor="supervisor", processes={"n1": "etcd-n1", "n2": "etcd-n2", "n3": "etcd-n3"})

    assert await subject.refusal_to_stop("etcd-n1") is None
    assert await subject.refusal_to_stop("something else") is None
    etcd["n2"].answers = False
    assert await subject.refusal_to_stop("etcd-n2") is None
    refusal = await subject.refusal_to_stop("etcd-n3")
    assert refusal == (
        "etcd-n3 runs n3 of etcd; without it 1 of 3 voters would be left, and 2 are needed to take writes."
    )
    assert subject.watched_processes == {"etcd-n1", "etcd-n2", "etcd-n3"}


async def test_a_silent_member_may_be_restarted_when_there_is_no_quorum_to_lose() -> None:
    etcd = FakeEtcd(has_quorum=False)
    subject = etcd.subject(supervisor="supervisor", processes={"n2": "etcd-n2"})
    etcd["n2"].answers = etcd["n3"].answers = False

    assert await subject.refusal_to_stop("etcd-n2") is None


async def test_a_member_that_only_this_side_cannot_reach_is_not_stopped_while_the_quorum_needs_it() -> None:
    etcd = FakeEtcd()
    subject = etcd.subject(supervisor="supervisor", processes={"n2": "etcd-n2"})
    etcd["n2"].answers = etcd["n3"].answers = False

    assert "2 are needed" in (await subject.refusal_to_stop("etcd-n2") or "")


async def test_a_member_is_well_when_it_answers_and_knows_a_leader() -> None:
    etcd = FakeEtcd()
    subject = etcd.subject(supervisor="supervisor", processes={"n1": "etcd-n1", "n2": "etcd-n2"})
    etcd["n2"].leader = ""

    assert await subject.healthy("etcd-n1") is True
    assert await subject.healthy("etcd-n2") is False
    assert await subject.healthy("etcd-n3") is None
    etcd["n1"].answers = False
    assert await subject.healthy("etcd-n1") is False


async def test_a_cluster_of_which_nothing_is_heard_cannot_be_observed() -> None:
    etcd = FakeEtcd()
    nobody_answers(etcd)

    with pytest.raises(TargetUnavailableError, match="No member of etcd was heard"):
        await etcd.subject().observe()


class BrokenSource:
    """A supervisor that cannot be asked."""

    async def processes(self) -> Mapping[str, Process]:
        raise TargetUnavailableError("supervisord is away\n.")


async def test_what_cannot_be_read_is_part_of_the_observation() -> None:
    etcd = FakeEtcd(lists_members=False)
    etcd["n1"].tells_metrics = False
    etcd["n2"].talks_nonsense = True
    etcd["n3"].answers = False
    subject = etcd.subject(BrokenSource(), supervisor="supervisor", processes={"n3": "etcd-n3"})

    seen = await subject.observe()

    n1, n2, n3 = seen.members
    assert (n1.reachable, n1.quota, n1.db_size) == (True, None, 4 * MIB)
    assert (n2.reachable, n2.why, n2.db_size) == (False, Why.UNUSABLE, None)
    assert (n3.reachable, n3.process_name, n3.process) == (False, "etcd-n3", None)
    assert seen.processes_problem == "supervisord is away\\n."
    assert seen.listed is None
    assert seen.voters == 3
    etcd["n1"].tells_metrics = True
    assert (await subject.observe()).members[0].quota == QUOTA


async def test_a_quota_is_read_once_and_again_after_a_restart() -> None:
    etcd = FakeEtcd()
    subject = etcd.subject()
    first = await subject.observe()
    etcd["n1"].quota = etcd["n2"].quota = 2 * QUOTA

    etcd["n1"].answers = False
    await subject.observe()
    etcd["n1"].answers = True
    second = await subject.observe()

    assert [member.quota for member in first.members] == [QUOTA] * 3
    assert [member.quota for member in second.members] == [2 * QUOTA, QUOTA, QUOTA]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"members": {}}, "at least 1"),
        ({"members": {"n1": "http://h:1/path"}}, "no path"),
        ({"members": {"n1 x": "http://h:1"}}, "pattern"),
        ({"username": "root"}, "go together"),
        ({"processes": {"n1": "etcd-n1"}}, "needs supervisor"),
        ({"supervisor": "s", "processes": {"n7": "etcd-n7"}}, "names n7"),
        ({"password": "secret"}, "Extra inputs"),
    ],
)
def test_a_section_that_cannot_work_is_refused(section: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EtcdConfig.model_validate({"members": {"n1": "http://h:1"}, **section})


def test_the_password_comes_from_the_environment_alone() -> None:
    config = EtcdConfig.model_validate(
        {"members": {"n1": "http://h:1"}, "username": "root", "password_env": "ETCD_PASSWORD"}
    )

    found = config.credentials({"ETCD_PASSWORD": "word"})

    assert found is not None
    assert (found.username, found.password) == ("root", "word")
    with pytest.raises(ConfigurationError, match="ETCD_PASSWORD is not set"):
        config.credentials({})
