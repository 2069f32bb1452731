"""The mode and the kill switch: what they stop, what they say, and what they do when the database fails."""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from actions.auditor import ActionAuditor
from actions.errors import (
    BadRequestError,
    ConflictError,
    KilledError,
    NotAuthorizedError,
    NotFoundError,
    NothingStoppedError,
    ObserveOnlyError,
    StorageError,
    UnknownSubjectError,
)
from actions.models import EVERYTHING, Actor, Caller, Checkpoint, Control, ReasonCode, SafetyMode, Verb, Via
from actions.policy import DEFAULT_APPROVALS, Clause, ConfiguredPolicy, Grants, Person, Scope
from actions.ports import OutboxKind, Reader, Store, Transaction
from actions.safety import SafetyController, effective, introduce
from storage.audit_verify import verify
from storage.store import SqlStore
from tests.actions.parts import Faulty, audit, delivered, outbox, require_sound, status, stored
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, ANN_CLI, BO, CY, POLICY, MemoryKillFiles, Rig

T = TypeVar("T")


def safety_over(rig: Rig, **over: object) -> SafetyController:
    given: dict[str, object] = {
        "store": rig.store,
        "kill_files": rig.kill_files,
        "policy": POLICY,
        "directory": rig.directory,
        "auditor": rig.auditor,
        "clock": rig.clock,
        "publisher": rig.publisher,
        "subjects": ("rack", "shelf"),
    }
    return SafetyController(**{**given, **over})  # type: ignore[arg-type]  # the parts of the rig, some replaced


async def control(rig: Rig, scope: str = EVERYTHING) -> Control:
    return await rig.store.read(lambda reader: reader.control(scope))


async def mode(rig: Rig, scope: str = EVERYTHING) -> SafetyMode:
    """What decides for *scope*."""
    return (await rig.store.read(lambda reader: effective(reader, scope))).mode


class Watched:
    """A store during whose writes somebody looks at the kill files."""

    def __init__(self, store: Store, look: Callable[[], object]) -> None:
        self._store = store
        self._look = look
        self.seen: list[object] = []

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        self.seen.append(self._look())
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        return await self._store.read(query)


class NoDirectory:
    """Kill files in a directory that cannot be written."""

    def drop(self, scope: str = EVERYTHING) -> str:
        raise OSError(30, "Read-only file system", scope)

    def present(self, scope: str | None = None) -> Sequence[str]:  # noqa: ARG002 - the signature of kill files
        return []

    def remove(self, names: Collection[str]) -> None:
        assert not names


class Deaf:
    """A witness whose disk is full."""

    name = "deaf"

    async def keep(self, checkpoint: Checkpoint) -> None:
        raise OSError(28, f"No space left on device for {checkpoint.seq}")


class TestTheKillSwitch:
    async def test_the_file_lies_there_before_the_database_is_asked_and_goes_after_the_commit(self, rig: Rig) -> None:
        watched = Watched(rig.store, rig.kill_files.present)

        stopped = await safety_over(rig, store=watched).kill_switch(by=BO, reason="stop")

        assert watched.seen[0] == ["kill-1"]
        assert watched.seen[1:] == [[]] * len(watched.seen[1:])
        assert stopped.recorded
        assert rig.kill_files.present() == []

    async def test_stopping_one_subject_holds_back_no_other_even_for_a_moment(self, rig: Rig) -> None:
        files = rig.kill_files
        watched = Watched(rig.store, lambda: (files.present("rack"), files.present("shelf")))

        await safety_over(rig, store=watched).kill_switch(by=BO, reason="stop", scope="rack")

        assert watched.seen[0] == (["kill-1@rack"], [])
        assert files.present() == []

    async def test_everything_pending_is_cancelled_and_nothing_runs(self, rig: Rig) -> None:
        proposed = await rig.propose("a", validate=False)
        validated, approved = await rig.propose("b"), await rig.approved("c")

        stopped = await rig.safety.kill_switch(by=BO, reason="wrong cluster")

        assert (stopped.recorded, stopped.cancelled, stopped.in_flight, stopped.problem) == (True, 3, (), "")
        for proposal_id in (proposed, validated, approved):
            assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"
            assert (await stored(rig.store, proposal_id)).detail == "wrong cluster"
        await require_sound(rig)

    async def test_it_is_observe_and_a_new_epoch_and_says_who_and_why(self, rig: Rig) -> None:
        before = await control(rig)

        await rig.safety.kill_switch(by=BO, reason="  wrong\n cluster ")

        now = await control(rig)
        assert (now.mode, now.epoch, now.changed_by) == (SafetyMode.OBSERVE, before.epoch + 1, "slack:T1/UBO")
        assert (now.reason, now.stopped_as) == ("wrong cluster", ReasonCode.KILL_SWITCH)
        line = next(event for event in reversed(await audit(rig.store)) if event.event == "kill_switch")
        assert (line.actor, line.data["epoch"], line.data["in_flight"]) == ("slack:T1/UBO", now.epoch, [])
        assert [item.ref for item in await outbox(rig, OutboxKind.ANNOUNCEMENT)][-1] == str(line.seq)

    async def test_what_may_still_take_effect_is_listed(self, rig: Rig) -> None:
        running, unknown = await rig.approved("a"), await rig.approved("b")
        rig.target.faults["b"] = "lost"
        await rig.executor.execute_proposal(unknown)
        rig.target.hold["a"] = asyncio.Event()
        began = rig.target.began.setdefault("a", asyncio.Event())
        task = asyncio.create_task(rig.executor.execute_proposal(running))
        await began.wait()

        stopped = await rig.safety.kill_switch(by=BO, reason="stop")

        assert sorted(proposal.id for proposal in stopped.in_flight) == [running, unknown]
        line = next(event for event in reversed(await audit(rig.store)) if event.event == "kill_switch")
        assert sorted(line.data["in_flight"]) == [running, unknown]  # type: ignore[arg-type, type-var]  # a list of ids
        rig.target.hold["a"].set()
        await task
        assert await status(rig.store, running) == "completed(confirmed)"

    async def test_mode_observe_lists_what_may_still_take_effect_too(self, rig: Rig) -> None:
        unknown = await rig.approved("a")
        rig.target.faults["a"] = "lost"
        await rig.executor.execute_proposal(unknown)

        switched = await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO, reason="a deploy")

        assert [proposal.id for proposal in switched.in_flight] == [unknown]
        line = next(event for event in reversed(await audit(rig.store)) if event.event == "mode_change")
        assert line.data["in_flight"] == [unknown]

    async def test_it_is_thrown_whatever_the_reason_is_made_of(self, rig: Rig) -> None:
        stopped = await rig.safety.kill_switch(by=replace(BO, claimed="\udcff"), reason="half \ud800, \0, \x1b[31m")

        assert stopped.recorded
        assert (await control(rig)).reason == r"half \ud800, \x00, \x1b[31m"

    async def test_thrown_twice_it_stops_twice(self, rig: Rig) -> None:
        first = await rig.safety.kill_switch(by=BO, reason="stop")
        second = await rig.safety.kill_switch(by=ANN, reason="stop again")

        assert (first.recorded, second.recorded, second.cancelled) == (True, True, 0)
        assert (await control(rig)).changed_by == "slack:T1/UANN"

    async def test_one_subject_can_be_stopped_alone(self, rig: Rig) -> None:
        proposal_id = await rig.approved("a")
        await rig.store.write(introduce("shelf", rig.clock))

        stopped = await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")

        assert stopped.cancelled == 1
        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"
        assert (await control(rig)).mode is SafetyMode.EXECUTE
        assert await mode(rig, "rack") is SafetyMode.OBSERVE
        assert await mode(rig, "shelf") is SafetyMode.EXECUTE

    async def test_what_other_subjects_have_in_flight_is_not_listed_for_one(self, rig: Rig) -> None:
        await rig.store.write(introduce("shelf", rig.clock))
        unknown = await rig.approved("b")
        rig.target.faults["b"] = "lost"
        await rig.executor.execute_proposal(unknown)

        assert (await rig.safety.kill_switch(by=BO, reason="stop", scope="shelf")).in_flight == ()
        assert len((await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")).in_flight) == 1

    async def test_whoever_may_not_stops_nothing_and_leaves_no_file(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(NotAuthorizedError, match="You may not use the kill switch"):
            await rig.safety.kill_switch(by=CY, reason="stop")

        assert rig.kill_files.present() == []
        assert await status(rig.store, proposal_id) == "validated"
        last = (await audit(rig.store))[-1]
        assert (last.event, last.actor, last.data["verb"]) == ("denied", "slack:T1/UCY", "kill")

    async def test_from_the_command_line_anybody_stops(self, rig: Rig) -> None:
        stranger = Caller(actor=Actor.cli("stranger", "host"), via=Via.CLI)

        assert (await rig.safety.kill_switch(by=stranger, reason="")).recorded
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=stranger)
        with pytest.raises(NotAuthorizedError):
            await rig.safety.set_mode(SafetyMode.EXECUTE, by=stranger, reason="go on")

    async def test_it_is_witnessed(self, rig: Rig) -> None:
        await rig.safety.kill_switch(by=BO, reason="stop")

        (kept,) = rig.witness.kept
        kill = next(event for event in await audit(rig.store) if event.event == "kill_switch")
        assert kept.seq > kill.seq


class TestASubjectThatIsNotConfigured:
    @pytest.mark.parametrize("scope", ["rakc", "", "RACK", "** ", "\ud800" * 200])
    async def test_it_is_not_stopped_and_the_answer_says_what_could_be(self, rig: Rig, scope: str) -> None:
        waiting, before = await rig.propose("a"), await audit(rig.store)

        with pytest.raises(UnknownSubjectError) as refused:
            await rig.safety.kill_switch(by=BO, reason="stop", scope=scope)
        with pytest.raises(UnknownSubjectError, match="Nothing was stopped"):
            await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO, scope=scope)

        assert "Configured: rack, shelf. Nothing was stopped; to stop everything, throw" in str(refused.value)
        assert len(str(refused.value)) < 1_000
        assert rig.kill_files.drop() == "kill-1", "none was dropped before"
        assert await audit(rig.store) == before
        assert await status(rig.store, waiting) == "validated"

    async def test_it_is_not_started_either(self, rig: Rig) -> None:
        before = await audit(rig.store)

        with pytest.raises(UnknownSubjectError, match=r"Configured: rack, shelf. Nothing was changed"):
            await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on", scope="rakc")

        assert await audit(rig.store) == before


class TestAReasonGivenAfterwards:
    async def test_it_is_written_down_with_the_stop_and_shown(self, rig: Rig) -> None:
        seq = await killed(rig)
        await delivered(rig)

        await rig.safety.explain_stop(seq, by=ANN, reason="  wrong\n cluster ")

        line = (await audit(rig.store))[-1]
        assert (line.event, line.actor, line.data["of"]) == ("explained", "slack:T1/UANN", seq)
        now = await control(rig)
        assert (now.reason, now.changed_by, now.mode) == ("wrong cluster", "slack:T1/UBO", SafetyMode.OBSERVE)
        (item,) = await outbox(rig, OutboxKind.ANNOUNCEMENT)
        assert (item.ref, item.payload) == (str(seq), {"explained": line.seq})

    async def test_once_the_mode_has_changed_it_is_written_down_and_no_more(self, rig: Rig) -> None:
        seq = await killed(rig)
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")
        before = await control(rig)

        await rig.safety.explain_stop(seq, by=BO, reason="wrong cluster")

        assert await control(rig) == before
        assert (await audit(rig.store))[-1].data == {"of": seq, "scope": "*", "reason": "wrong cluster"}

    async def test_a_stop_of_one_subject_is_explained_as_that(self, rig: Rig) -> None:
        seq = await killed(rig, scope="rack")

        await rig.safety.explain_stop(seq, by=BO, reason="x" * 600)

        assert (await control(rig, "rack")).reason == "x" * 499 + "…"
        assert (await control(rig)).reason == "test"

    async def test_the_newest_explanation_is_the_one_that_is_shown(self, rig: Rig) -> None:
        seq = await killed(rig)
        for reason in ("wrong cluster", "no: wrong disk"):
            await rig.safety.explain_stop(seq, by=BO, reason=reason)

        assert (await control(rig)).reason == "no: wrong disk"
        assert (await outbox(rig, OutboxKind.ANNOUNCEMENT))[-1].payload == {
            "explained": (await audit(rig.store))[-1].seq
        }

    async def test_mode_observe_without_a_reason_can_be_explained_too(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO)
        seq = next(event.seq for event in reversed(await audit(rig.store)) if event.event == "mode_change")

        await rig.safety.explain_stop(seq, by=BO, reason="a deploy")

        assert (await control(rig)).reason == "a deploy"

    @pytest.mark.parametrize("scope", [EVERYTHING, "rack"])
    async def test_whoever_may_not_stop_explains_nothing(self, rig: Rig, scope: str) -> None:
        seq = await killed(rig, scope=scope)

        with pytest.raises(NotAuthorizedError):
            await rig.safety.explain_stop(seq, by=CY, reason="because")

        assert (await control(rig, scope)).reason == ""
        assert (await audit(rig.store))[-1].event == "denied"

    async def test_what_has_a_reason_and_what_is_no_stop_is_not_explained(self, rig: Rig) -> None:
        given = (await rig.safety.kill_switch(by=BO, reason="wrong cluster")).seq
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")
        lines = await audit(rig.store)
        before = len(lines)
        started, other = lines[-1].seq, next(event.seq for event in lines if event.event == "checkpoint")
        assert given is not None

        with pytest.raises(ConflictError, match="A reason was given with that stop: wrong cluster"):
            await rig.safety.explain_stop(given, by=BO, reason="because")
        for seq in (started, other, 0, 10_000):
            with pytest.raises(NotFoundError, match="records no stop"):
                await rig.safety.explain_stop(seq, by=BO, reason="because")
        with pytest.raises(BadRequestError, match="stays stopped"):
            await rig.safety.explain_stop(given, by=BO, reason=" \n")

        assert len(await audit(rig.store)) == before

    async def test_the_log_and_the_mode_agree_afterwards(
        self, sql_store: SqlStore, path: Path, clock: FixedClock
    ) -> None:
        rig = await Rig(sql_store, MemoryKillFiles(), clock).start()
        first = await killed(rig)
        await rig.safety.explain_stop(first, by=ANN, reason="wrong cluster")
        second = await killed(rig, scope="rack")
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope="rack")
        await rig.safety.explain_stop(second, by=ANN, reason="wrong rack")

        assert await problems(path, rig) == ()
        wreck(path, "UPDATE control SET reason = 'right cluster' WHERE scope = '*'")
        (problem,) = await problems(path, rig)
        assert "The control row of '*' was edited" in problem


async def problems(path: Path, rig: Rig) -> tuple[str, ...]:
    """What `audit verify` finds."""
    return (await asyncio.to_thread(verify, f"sqlite:///{path}", rig.witness.kept)).problems


async def killed(rig: Rig, *, scope: str = EVERYTHING) -> int:
    """Stop without a reason; return the line that records it."""
    stopped = await rig.safety.kill_switch(by=BO, scope=scope)
    assert stopped.seq is not None
    return stopped.seq


class TestWhenTheDatabaseFails:
    async def test_the_file_stays_and_no_claim_passes_it(self, rig: Rig) -> None:
        waiting, approved = await rig.propose("a"), await rig.approved("b")
        broken = Faulty(rig.store)
        broken.restart(all_of_them=True)

        stopped = await safety_over(rig, store=broken).kill_switch(by=BO, reason="stop")

        assert (stopped.recorded, stopped.cancelled, stopped.in_flight) == (False, 0, ())
        assert "locked" in stopped.problem
        assert rig.kill_files.present() == ["kill-1"]
        with pytest.raises(KilledError, match="kill-1"):
            await rig.executor.approve_proposal(waiting, by=ANN)
        with pytest.raises(KilledError, match="kill-1"):
            await rig.executor.execute_proposal(approved)
        with pytest.raises(ObserveOnlyError):
            await rig.propose("c")
        assert rig.target.ledger.total() == 0

    async def test_the_file_goes_when_execute_is_set_and_old_approvals_are_void(self, rig: Rig) -> None:
        approved = await rig.approved("b")
        broken = Faulty(rig.store)
        broken.restart(all_of_them=True)
        await safety_over(rig, store=broken).kill_switch(by=BO, reason="stop")

        switched = await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")

        assert (switched.control.mode, switched.cancelled) == (SafetyMode.EXECUTE, 1)
        assert rig.kill_files.present() == []
        assert (await status(rig.store, approved)).startswith("cancelled")

    async def test_the_file_stays_when_execute_cannot_be_recorded(self, rig: Rig) -> None:
        rig.kill_files.drop()
        broken = Faulty(rig.store)
        broken.restart(all_of_them=True)

        with pytest.raises(StorageError):
            await safety_over(rig, store=broken).set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")

        assert rig.kill_files.present() == ["kill-1"]

    async def test_the_file_stays_when_execute_is_set_for_one_subject_alone(self, rig: Rig) -> None:
        rig.kill_files.drop()

        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope="rack")

        assert rig.kill_files.present() == ["kill-1"]

    async def test_the_file_stays_when_the_mode_becomes_observe(self, rig: Rig) -> None:
        rig.kill_files.drop()

        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

        assert rig.kill_files.present() == ["kill-1"]

    async def test_a_kill_that_could_not_be_recorded_outlasts_an_execute_that_came_between(self, rig: Rig) -> None:
        overtaken = Overtaken(rig)

        stopped = await safety_over(rig, store=overtaken).kill_switch(by=BO, reason="stop")

        assert not stopped.recorded
        assert rig.kill_files.present() != []

    async def test_without_a_place_for_the_file_the_database_stops_it(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        stopped = await safety_over(rig, kill_files=NoDirectory()).kill_switch(by=BO, reason="stop")

        assert (stopped.recorded, stopped.cancelled) == (True, 1)
        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"

    async def test_with_neither_file_nor_database_it_says_that_nothing_was_stopped(self, rig: Rig) -> None:
        broken = Faulty(rig.store)
        broken.restart(all_of_them=True)

        with pytest.raises(NothingStoppedError, match=r"NOTHING WAS STOPPED.*locked.*by hand, on every host"):
            await safety_over(rig, store=broken, kill_files=NoDirectory()).kill_switch(by=BO, reason="stop")

    async def test_a_backlog_that_cannot_be_cancelled_is_left_to_the_sweeper(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        faulty = Faulty(rig.store)
        faulty.restart(2)

        stopped = await safety_over(rig, store=faulty).kill_switch(by=BO, reason="stop")

        assert (stopped.recorded, stopped.cancelled) == (True, 0)
        assert "`operator run` finishes cancelling it" in stopped.problem
        assert await status(rig.store, proposal_id) == "validated"
        with pytest.raises(KilledError):
            await rig.executor.approve_proposal(proposal_id, by=ANN)
        await rig.sweeper.sweep()
        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"

    async def test_a_kill_that_no_witness_hears_of_is_a_kill_all_the_same(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        auditor = ActionAuditor(store=rig.store, witness=Deaf(), clock=rig.clock)

        stopped = await safety_over(rig, auditor=auditor).kill_switch(by=BO, reason="stop")

        assert stopped.recorded
        assert await status(rig.store, proposal_id) == "cancelled(kill_switch)"


class Overtaken:
    """A store that is lost after somebody else has set execute, once the kill file lies there."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:  # noqa: ARG002 - the signature of a store
        await self._rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="did not see the kill")
        raise StorageError("The database cannot grow, the disk is full; nothing was recorded.")

    async def read(self, query: Callable[[Reader], T]) -> T:
        return await self._rig.store.read(query)


class TestTheMode:
    async def test_execute_needs_a_reason_and_observe_needs_none(self, rig: Rig) -> None:
        for blank in ("", "  ", "\n\t"):
            with pytest.raises(BadRequestError, match="needs a reason"):
                await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason=blank)

        switched = await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

        assert switched.control.mode is SafetyMode.OBSERVE

    async def test_a_reason_is_at_most_as_long_as_an_announcement_can_be(self, rig: Rig) -> None:
        before = await control(rig)

        with pytest.raises(BadRequestError, match="at most 500"):
            await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="x" * 501)

        assert await control(rig) == before
        assert (await rig.safety.kill_switch(by=ANN, reason="x" * 10_000)).recorded
        assert (await control(rig)).reason == "x" * 499 + "…"

    async def test_every_change_is_a_new_epoch_and_written_down(self, rig: Rig) -> None:
        epochs = [(await control(rig)).epoch]
        for mode in (SafetyMode.OBSERVE, SafetyMode.OBSERVE, SafetyMode.EXECUTE):
            await rig.safety.set_mode(mode, by=ANN, reason="because")
            epochs.append((await control(rig)).epoch)

        assert epochs == list(range(epochs[0], epochs[0] + 4))
        changes = [event for event in await audit(rig.store) if event.event == "mode_change"][-3:]
        assert [(event.data["mode"], event.data["epoch"]) for event in changes] == [
            ("observe", epochs[1]),
            ("observe", epochs[2]),
            ("execute", epochs[3]),
        ]

    async def test_execute_in_execute_leaves_everything_as_it_is(self, rig: Rig) -> None:
        waiting, before = await rig.propose("a"), await control(rig)

        switched = await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="to be sure")

        assert (switched.control, switched.cancelled) == (before, 0)
        assert await status(rig.store, waiting) == "validated"

    async def test_execute_after_a_kill_that_only_a_file_knows_of_cancels_what_was_approved_before_it(
        self, rig: Rig
    ) -> None:
        approved = await rig.approved("a")
        rig.kill_files.drop()

        switched = await rig.safety.set_mode(SafetyMode.EXECUTE, by=BO, reason="go on")

        assert switched.cancelled == 1
        assert await status(rig.store, approved) == "cancelled(mode_observe)", "no kill stands in the audit log"
        assert rig.kill_files.present() == []

    async def test_observe_cancels_everything_pending(self, rig: Rig) -> None:
        waiting, approved = await rig.propose("a"), await rig.approved("b")

        switched = await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN, reason="maintenance")

        assert switched.cancelled == 2
        assert await status(rig.store, waiting) == "cancelled(mode_observe)"
        assert await status(rig.store, approved) == "cancelled(mode_observe)"

    async def test_only_those_who_may_switch(self, rig: Rig) -> None:
        before = await control(rig)

        for mode in SafetyMode:
            with pytest.raises(NotAuthorizedError):
                await rig.safety.set_mode(mode, by=CY, reason="let me")

        assert await control(rig) == before
        assert [event.event for event in (await audit(rig.store))[-2:]] == ["denied", "denied"]
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN_CLI)

    async def test_whoever_may_switch_one_subject_switches_that_one_alone(self, memory_rig: Rig) -> None:
        grant = Clause(
            name="[[grants]] 1", who=frozenset({"cy"}), verbs=frozenset({Verb.SET_MODE}), scope=Scope(subject="rack")
        )
        grants = Grants(
            people=(Person(name="cy", slack=frozenset({"T1/UCY"})),),
            verbs={},
            approvals=DEFAULT_APPROVALS,
            granted=(grant,),
        )
        safety = safety_over(memory_rig, policy=ConfiguredPolicy(grants))
        await memory_rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN, scope="rack")

        switched = await safety.set_mode(SafetyMode.EXECUTE, by=CY, reason="mine", scope="rack")
        assert (switched.control.scope, switched.control.changed_by) == ("rack", "slack:T1/UCY")
        for scope in ("shelf", "*"):
            with pytest.raises(NotAuthorizedError):
                await safety.set_mode(SafetyMode.EXECUTE, by=CY, reason="not mine", scope=scope)

    async def test_a_kill_and_an_execute_at_the_same_moment_leave_nothing_old_alive(self, rig: Rig) -> None:
        approved = [await rig.approved(item) for item in "abc"]

        await asyncio.gather(
            rig.safety.kill_switch(by=BO, reason="stop"),
            rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on"),
            *(rig.executor.execute_proposal(one) for one in approved),
            return_exceptions=True,
        )
        await rig.sweeper.sweep()

        for one in approved:
            assert await status(rig.store, one) in {
                "cancelled(kill_switch)",
                "completed(confirmed)",
                "failed(no_effect)",
            }


def wreck(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)
        connection.commit()


class TestWhatIsNotStored:
    async def test_before_anybody_said_anything_the_mode_is_observe(self, store: Store, clock: FixedClock) -> None:
        rig = Rig(store, MemoryKillFiles(), clock)

        assert await mode(rig) is SafetyMode.OBSERVE
        assert await mode(rig, "rack") is SafetyMode.OBSERVE

    async def test_a_subject_without_a_row_is_observed_only(self, rig: Rig) -> None:
        assert await mode(rig, "never introduced") is SafetyMode.OBSERVE

    async def test_a_missing_row_means_observe_and_ends_what_was_alive(self, clock: FixedClock) -> None:
        store = MemoryStore()
        rig = await Rig(store, MemoryKillFiles(), clock).start()
        approved = await rig.approved("a")
        del store.tables.controls[EVERYTHING]

        assert await mode(rig, "rack") is SafetyMode.OBSERVE
        with pytest.raises(KilledError):
            await rig.executor.execute_proposal(approved)
        assert rig.target.ledger.total() == 0

    @pytest.mark.parametrize("damage", ["mode = 'on'", "epoch = 'x'", "stopped_as = ''"])
    async def test_an_unreadable_row_means_observe_and_stays_so_at_the_next_start(
        self, sql_store: SqlStore, path: Path, clock: FixedClock, damage: str
    ) -> None:
        rig = await Rig(sql_store, MemoryKillFiles(), clock).start()
        await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
        wreck(path, f"UPDATE control SET {damage} WHERE scope = 'rack'")  # noqa: S608 - our own words

        await sql_store.write(introduce("rack", clock))

        assert await mode(rig, "rack") is SafetyMode.OBSERVE
        with pytest.raises(ObserveOnlyError):
            await rig.propose("b")

    @pytest.mark.parametrize("scope", [EVERYTHING, "rack"])
    async def test_a_mode_that_was_set_behind_our_back_holds_all_the_same(self, rig: Rig, scope: str) -> None:
        waiting, approved = await rig.propose("a"), await rig.approved("b")
        await rig.store.write(lambda tx: tx.set_control(replace(tx.lock_control(scope), mode=SafetyMode.OBSERVE)))

        with pytest.raises(ObserveOnlyError):
            await rig.executor.approve_proposal(waiting, by=ANN)
        with pytest.raises(ObserveOnlyError):
            await rig.executor.execute_proposal(approved)

        assert rig.target.ledger.total() == 0

    async def test_a_subject_is_introduced_once(self, rig: Rig) -> None:
        await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
        before = await control(rig, "rack")

        await rig.store.write(introduce("rack", rig.clock))

        assert await control(rig, "rack") == before

    async def test_introducing_a_subject_does_not_switch_anything_on(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock).start(execute=False)

        assert await mode(rig, "rack") is SafetyMode.OBSERVE


class TestWhenAKillFileCannotBeRemoved:
    async def test_a_kill_is_told_as_recorded_all_the_same(self, rig: Rig) -> None:
        stuck = StuckKillFiles()

        stopped = await safety_over(rig, kill_files=stuck).kill_switch(by=BO, reason="stop")

        assert stopped.recorded
        assert "cannot be removed (Read-only file system) and holds this host back" in stopped.problem
        assert stuck.present() == ["kill-1"]

    async def test_execute_says_that_it_holds_this_host_back(self, rig: Rig) -> None:
        stuck = StuckKillFiles()
        stuck.drop()

        with pytest.raises(StorageError, match=r"The mode is execute. A kill file cannot be removed"):
            await safety_over(rig, kill_files=stuck).set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")

        assert await mode(rig) is SafetyMode.EXECUTE


class StuckKillFiles(MemoryKillFiles):
    """Kill files on a disk that became read-only."""

    def remove(self, names: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(names))
