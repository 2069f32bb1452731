"""Real faults in a real cluster: seen, diagnosed, repaired by the recommended action, and verified."""

import asyncio

import httpx
import pytest

from actions.errors import ActionFailedError
from actions.models import FailureOutcome
from actions.registry import Done, Happened
from actions.subjects.transport import OutcomeUnknownError
from bot.demo.cluster import DemoCluster
from tests.subjects.steps import RecordedSteps
from tests.subjects.wired import Wired, until, wired

pytestmark = pytest.mark.real


async def follower(both: Wired, *, but: str = "") -> str:
    leader = await both.cluster.leader()
    return next(name for name in both.cluster.endpoints if name not in {leader, but})


async def leader_of(both: Wired) -> str:
    return await until(both.cluster.leader)


async def repair(both: Wired, *rules: str) -> RecordedSteps:
    """Do what the diagnosis recommends, as the executor would, and look until it worked."""
    (recommendation,) = (await both.until(*rules)).output.recommended_actions
    preview = await both.preview(recommendation.action_name, **recommendation.parameters)
    assert preview.refusal is None
    again = await both.preview(recommendation.action_name, **recommendation.parameters)
    assert again.pins == preview.pins
    untouched = await both.verify(recommendation.action_name, preview.before, **recommendation.parameters)
    assert untouched.happened is Happened.NO
    steps = RecordedSteps()
    await both.execute(recommendation.action_name, steps, **recommendation.parameters)
    verdict = await both.verified(recommendation.action_name, preview.before, **recommendation.parameters)
    assert verdict.evidence
    drifted = await both.preview(recommendation.action_name, **recommendation.parameters)
    assert drifted.pins != preview.pins
    await both.until_well()
    return steps


async def test_a_crashed_member_is_started_again(both: Wired) -> None:
    await both.cluster.kill_member(await follower(both))

    await repair(both, "member_process_exited")


async def test_a_crashed_leader_is_started_again(both: Wired) -> None:
    await both.cluster.kill_leader()

    await repair(both, "member_process_exited")


async def test_a_hanging_member_is_killed_and_started_again(cluster: DemoCluster) -> None:
    async with wired(cluster, probe_within=0.4) as both:
        await both.until_well()
        name = await follower(both)
        hung = await both.cluster.hang_member(name)

        steps = await repair(both, "member_hung")

    assert steps.done == [f"stop etcd-{name}", f"start etcd-{name}"]
    assert (await cluster.processes())[name].pid != hung


async def test_a_full_database_is_given_room(both: Wired) -> None:
    await both.cluster.fill_quota()
    leader = await leader_of(both)

    steps = await repair(both, "quota_full")

    assert steps.done[0].startswith("compact to revision ")
    assert steps.done[3] == f"defragment {leader}"
    assert {step.split()[0] for step in steps.done[1:4]} == {"defragment"}
    assert steps.done[4:]
    assert all(step.startswith("disarm NOSPACE of n") for step in steps.done[4:])


async def test_room_is_made_only_where_some_is_needed(both: Wired) -> None:
    preview = await both.preview("etcd.reclaim_space")

    assert preview.refusal is not None
    assert "nothing to do" in preview.refusal


async def test_a_lost_quorum_comes_back_by_starting_the_dead(both: Wired) -> None:
    names = [name for name in both.cluster.endpoints if name != await leader_of(both)]
    for name in names:
        await both.cluster.kill_member(name)

    recommended = (await both.until("quorum_lost")).output.recommended_actions
    assert [action.parameters["name"] for action in recommended] == [f"etcd-{name}" for name in names]
    for action in recommended:
        await both.execute(action.action_name, **action.parameters)

    await both.until_well()


async def test_the_leadership_moves_and_moves_back(both: Wired) -> None:
    former, target = await leader_of(both), await follower(both)
    preview = await both.preview("etcd.move_leader", target_member=target)
    before = await both.verify("etcd.move_leader", preview.before, target_member=target)

    await both.execute("etcd.move_leader", target_member=target)

    verdict = await both.verified("etcd.move_leader", preview.before, target_member=target)
    undo = both.action("etcd.move_leader").undo
    assert undo is not None
    name, parameters = undo(both.action("etcd.move_leader").parameters(target_member=target), preview.before) or (
        "",
        {},
    )
    await both.execute(f"etcd.{name}", **parameters)
    assert (preview.refusal, before.happened, verdict.happened) == (None, Happened.NO, Happened.YES)
    assert await leader_of(both) == former
    assert (await both.preview("etcd.move_leader", target_member=target)).pins["term"] != preview.pins["term"]


async def test_the_leader_cannot_be_made_leader(both: Wired) -> None:
    leader = await leader_of(both)

    preview = await both.preview("etcd.move_leader", target_member=leader)
    done = await both.execute("etcd.move_leader", target_member=leader)

    assert preview.refusal == f"{leader} leads already; there is nothing to do."
    assert done.detail == f"{leader} leads already."


async def test_history_is_dropped_once_and_holes_are_given_back(both: Wired) -> None:
    await both.cluster.fill_quota()
    name = await follower(both)
    seen = await both.etcd.observe()
    revision = max(member.revision or 0 for member in seen.members)
    compact = await both.preview("etcd.compact", revision=revision, keep=3)
    untouched = await both.verify("etcd.compact", compact.before, revision=revision, keep=3)

    await both.execute("etcd.compact", revision=revision, keep=3)
    compacted = await both.verified("etcd.compact", compact.before, revision=revision, keep=3)
    repeated = await both.execute("etcd.compact", revision=revision, keep=3)
    holes = await both.preview("etcd.defragment", member=name)
    before = await both.verify("etcd.defragment", holes.before, member=name)
    await both.execute("etcd.defragment", member=name)
    after = await both.verified("etcd.defragment", holes.before, member=name)
    await repair(both, "quota_full", "fragmented")  # freed pages count as in use until etcd writes again

    assert holes.refusal is None
    assert (compact.refusal, untouched.happened, compacted.happened) == (None, Happened.NO, Happened.YES)
    assert "gone already" in repeated.detail
    assert (before.happened, after.happened) == (Happened.NO, Happened.YES)


async def test_an_alarm_stays_armed_while_there_is_no_space(both: Wired) -> None:
    await both.cluster.fill_quota()
    await both.until("quota_full")
    alarm = (await both.etcd.observe()).alarms[0]
    parameters = {"member_id": alarm.member_id, "alarm": "NOSPACE"}

    preview = await both.preview("etcd.disarm_alarm", **parameters)
    with pytest.raises(ActionFailedError, match="no space yet") as caught:
        await both.execute("etcd.disarm_alarm", **parameters)
    await repair(both, "quota_full")
    gone = await both.preview("etcd.disarm_alarm", **parameters)
    verdict = await both.verify("etcd.disarm_alarm", preview.before, **parameters)

    assert preview.pins == {"armed": True}
    assert preview.refusal is not None
    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert gone.pins == {"armed": False}
    assert verdict.happened is Happened.YES


@pytest.mark.parametrize("alarm", ["NOSPACE", "CORRUPT"])
async def test_an_alarm_without_its_cause_can_be_disarmed(both: Wired, alarm: str) -> None:
    name = await follower(both)
    member_id = next(member.id for member in (await both.etcd.observe()).members if member.name == name)
    async with httpx.AsyncClient() as raw:
        body = {"action": "ACTIVATE", "memberID": member_id, "alarm": alarm}
        (await raw.post(f"{both.cluster.endpoints[name]}/v3/maintenance/alarm", json=body)).raise_for_status()
    parameters = {"member_id": member_id, "alarm": alarm}
    await both.until("fragmented" if alarm == "NOSPACE" else "data_differs")

    preview = await both.preview("etcd.disarm_alarm", **parameters)
    untouched = await both.verify("etcd.disarm_alarm", preview.before, **parameters)
    await both.execute("etcd.disarm_alarm", **parameters)
    verdict = await both.verified("etcd.disarm_alarm", preview.before, **parameters)
    repeated = await both.execute("etcd.disarm_alarm", **parameters)

    assert preview.refusal is None
    assert (untouched.happened, verdict.happened) == (Happened.NO, Happened.YES)
    assert "not armed any more" in repeated.detail


async def test_room_made_in_part_is_told_as_such_and_can_be_finished(both: Wired) -> None:
    await both.cluster.fill_quota()
    await both.until("quota_full")
    preview = await both.preview("etcd.reclaim_space")

    with pytest.raises(ActionFailedError, match="history before revision") as stopped:
        await both.execute("etcd.reclaim_space", RecordedSteps(stop_before="defragment"))
    half = await both.verify("etcd.reclaim_space", preview.before)
    with pytest.raises(asyncio.CancelledError):
        await both.execute("etcd.reclaim_space", RecordedSteps(die_after="defragment"))
    more = await both.verify("etcd.reclaim_space", preview.before)
    await both.execute("etcd.reclaim_space")
    whole = await both.verified("etcd.reclaim_space", preview.before)

    assert stopped.value.outcome is FailureOutcome.PARTIAL
    assert (half.happened, more.happened, whole.happened) == (Happened.NO, Happened.NO, Happened.YES)


class LosesAnswers(httpx.AsyncBaseTransport):
    """Does what it is asked, or not, and never says so for one path."""

    def __init__(self, path: str, *, applies: bool) -> None:
        self._path = path
        self._applies = applies
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != self._path:
            return await self._real.handle_async_request(request)
        if self._applies:
            response = await self._real.handle_async_request(request)
            await response.aread()
            await response.aclose()
        raise httpx.ReadTimeout("", request=request)

    async def aclose(self) -> None:
        await self._real.aclose()


@pytest.mark.parametrize(("applies", "happened"), [(True, Happened.YES), (False, Happened.NO)])
async def test_what_became_of_a_lost_answer_is_found_out_by_looking(
    cluster: DemoCluster, applies: bool, happened: Happened
) -> None:
    over = LosesAnswers("/v3/maintenance/transfer-leadership", applies=applies)
    async with wired(cluster, over) as both:
        await both.until_well()
        target = await follower(both)
        preview = await both.preview("etcd.move_leader", target_member=target)

        with pytest.raises(OutcomeUnknownError):
            await both.execute("etcd.move_leader", target_member=target)

        verdict = await both.verify("etcd.move_leader", preview.before, target_member=target)
        assert verdict.happened is happened


async def test_nothing_is_moved_to_a_member_that_does_not_answer(both: Wired) -> None:
    name = await follower(both)
    await both.cluster.kill_member(name)
    await both.until("member_process_exited")

    move = await both.preview("etcd.move_leader", target_member=name)
    defragment = await both.preview("etcd.defragment", member=await follower(both, but=name))
    reclaim = await both.preview("etcd.reclaim_space")
    unseen = await both.verify("etcd.defragment", {}, member=name)
    await repair(both, "member_process_exited")

    assert move.refusal is not None
    assert "does not answer" in move.refusal
    assert defragment.refusal is not None
    assert "voters would be left" in defragment.refusal
    assert reclaim.refusal is not None
    assert "bring every member back first" in reclaim.refusal
    assert unseen.happened is Happened.CANNOT_TELL


async def test_no_member_is_stopped_that_the_quorum_needs(both: Wired) -> None:
    name = await follower(both)
    other = await follower(both, but=name)
    allowed = await both.preview("supervisor.restart_process", name=f"etcd-{other}")
    await both.cluster.kill_member(name)
    await both.until("member_process_exited")

    for action in ("supervisor.restart_process", "supervisor.stop_process"):
        preview = await both.preview(action, name=f"etcd-{other}")
        assert preview.refusal is not None
        assert "1 of 3 voters would be left" in preview.refusal
        with pytest.raises(ActionFailedError, match="voters would be left") as caught:
            await both.execute(action, name=f"etcd-{other}")
        assert caught.value.outcome is FailureOutcome.NO_EFFECT
    running = (await both.cluster.processes())[other].state
    await repair(both, "member_process_exited")

    assert allowed.refusal is None
    assert running == "RUNNING"


async def test_of_two_restarts_at_once_the_second_waits_for_the_first(both: Wired) -> None:
    names = [await follower(both), await leader_of(both)]
    away: list[int] = []

    async def watch() -> None:
        while True:
            away.append(sum(process.state != "RUNNING" for process in (await both.cluster.processes()).values()))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    results = await asyncio.gather(
        *(both.execute("supervisor.restart_process", name=f"etcd-{name}") for name in names), return_exceptions=True
    )
    watching.cancel()

    assert max(away) == 1
    assert all(isinstance(result, Done | ActionFailedError) for result in results)
    assert isinstance(results[0], Done)
