"""A diagnosis is stored first; then each of its recommendations is proposed or refused by name."""

import asyncio
from dataclasses import replace

import pytest

from actions.agent.intake import Submission
from actions.errors import KeyReusedError, StorageError, TargetUnavailableError, UnknownSubjectError
from actions.models import SafetyMode
from actions.ports import OutboxKind
from actions.registry import Preview
from tests.actions.parts import Faulty, audit, executor_over, outbox, redefine, status
from tests.agent.rack import diagnoses, diagnosis, intake_over, proposals, recommended, submission
from tests.rig import ANN, BO, Rig, Touch


class TestTakingIn:
    async def test_every_recommendation_becomes_a_proposal(self, rig: Rig) -> None:
        given = submission(diagnosis(recommended("a"), recommended("b")), channel="C9")

        receipt = await intake_over(rig).submit(given)

        assert [(one.target, one.status.value) for one in receipt.proposals] == [("a", "validated"), ("b", "validated")]
        assert {one.diagnosis_id for one in receipt.proposals} == {receipt.diagnosis.id}
        assert {one.channel for one in receipt.proposals} == {"C9"}
        assert receipt.refused == ()
        assert (await diagnoses(rig))[0].output == given.output
        assert await outbox(rig, OutboxKind.DIAGNOSIS) == []
        assert len(await outbox(rig, OutboxKind.CARD)) == 2

    async def test_what_was_diagnosed_is_written_down(self, rig: Rig) -> None:
        receipt = await intake_over(rig).submit(submission(diagnosis()))

        line = next(event for event in await audit(rig.store) if event.event == "diagnosed")
        assert line.data == {
            "diagnosis_id": receipt.diagnosis.id,
            "subject": "rack",
            "target": "a",
            "source": "grafana",
        }

    async def test_a_diagnosis_that_recommends_nothing_is_shown(self, rig: Rig) -> None:
        receipt = await intake_over(rig).submit(submission(diagnosis()))

        assert (receipt.proposals, receipt.refused) == ((), ())
        assert [item.ref for item in await outbox(rig, OutboxKind.DIAGNOSIS)] == [str(receipt.diagnosis.id)]

    async def test_a_refusal_names_the_recommendation_and_every_error(self, rig: Rig) -> None:
        given = submission(
            diagnosis(
                recommended("a"),
                recommended("a", action="rack.tuch"),
                recommended("b", mark=3, colour="red"),
            )
        )

        receipt = await intake_over(rig).submit(given)

        assert [one.target for one in receipt.proposals] == ["a"]
        unknown, unfit = receipt.refused
        assert unknown.action_name == "rack.tuch"
        assert "Did you mean rack.touch" in unknown.errors[0]
        assert unfit.action_name == "rack.touch"
        assert sorted(unfit.errors) == ["colour is unknown", "mark: input should be a valid string, got 3"]

    async def test_where_all_is_refused_the_diagnosis_is_shown(self, rig: Rig) -> None:
        receipt = await intake_over(rig).submit(submission(diagnosis(recommended(action="rack.tuch"))))

        assert len(receipt.refused) == 1
        assert len(await outbox(rig, OutboxKind.DIAGNOSIS)) == 1

    async def test_an_unknown_subject_is_refused_and_nothing_is_stored(self, rig: Rig) -> None:
        with pytest.raises(UnknownSubjectError, match="Configured: rack"):
            await intake_over(rig).submit(submission(diagnosis(), subject="shelf"))

        assert await diagnoses(rig) == []


class TestObserving:
    async def test_in_observe_mode_it_is_stored_and_shown_and_nothing_is_proposed(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("a"), recommended("b"))))

        assert receipt.diagnosis.observed_only
        assert receipt.proposals == ()
        assert [one.action_name for one in receipt.refused] == ["rack.touch", "rack.touch"]
        assert all("The mode is observe" in one.errors[0] for one in receipt.refused)
        assert await proposals(rig) == []
        assert len(await outbox(rig, OutboxKind.DIAGNOSIS)) == 1

    async def test_in_observe_mode_too_it_is_told_what_could_never_be_proposed(self, rig: Rig) -> None:
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended(action="rack.tuch"))))

        assert "No subject offers" in receipt.refused[0].errors[0]

    async def test_without_an_executor_it_only_observes(self, rig: Rig) -> None:
        receipt = await intake_over(rig, acts=False).submit(submission(diagnosis(recommended("a"))))

        assert (receipt.diagnosis.observed_only, receipt.proposals, len(receipt.refused)) == (True, (), 1)
        assert await proposals(rig) == []

    async def test_a_kill_file_on_this_host_makes_it_observe(self, rig: Rig) -> None:
        rig.kill_files.drop()

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("a"))))

        assert (receipt.diagnosis.observed_only, receipt.proposals) == (True, ())

    async def test_where_its_subject_is_stopped_it_observes(self, rig: Rig) -> None:
        await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("a"))))

        assert receipt.diagnosis.observed_only


class TestRepetition:
    async def test_the_same_again_is_the_same_answer(self, rig: Rig) -> None:
        given = submission(diagnosis(recommended("a"), recommended("b")))

        first = await intake_over(rig).submit(given)
        again = await intake_over(rig).submit(given)

        assert again == first
        assert len(await diagnoses(rig)) == 1
        assert len(await proposals(rig)) == 2

    async def test_the_same_at_once_is_the_same_answer(self, rig: Rig) -> None:
        given = submission(diagnosis(recommended("a"), recommended("b")))
        intake = intake_over(rig)

        receipts = await asyncio.gather(*(intake.submit(given) for _ in range(5)))

        assert {receipt.diagnosis.id for receipt in receipts} == {1}
        assert {tuple(one.id for one in receipt.proposals) for receipt in receipts} == {(1, 2)}
        assert [await status(rig.store, one.id) for one in await proposals(rig)] == ["validated", "validated"]

    @pytest.mark.parametrize(
        "change",
        [
            {"output": diagnosis(recommended("a"), of="something else")},
            {"target": "b"},
            {"source": "someone else"},
        ],
        ids=["output", "target", "source"],
    )
    async def test_the_same_key_for_something_else_is_refused(self, rig: Rig, change: dict[str, object]) -> None:
        given = submission(diagnosis(recommended("a")))
        await intake_over(rig).submit(given)
        other: Submission = replace(given, **change)  # type: ignore[arg-type]  # one field of it

        with pytest.raises(KeyReusedError, match="http:1"):
            await intake_over(rig).submit(other)

        assert len(await diagnoses(rig)) == 1
        assert len(await proposals(rig)) == 1

    async def test_what_was_shown_without_buttons_stays_without_them(self, rig: Rig) -> None:
        given = submission(diagnosis(recommended("a")))
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)
        await intake_over(rig).submit(given)
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")

        again = await intake_over(rig).submit(given)

        assert again.proposals == ()
        assert await proposals(rig) == []


class TestInterruption:
    @pytest.mark.parametrize("write", range(1, 7))
    async def test_what_broke_off_is_taken_up_where_it_was(self, rig: Rig, write: int) -> None:
        given = submission(diagnosis(recommended("a"), recommended("b")))
        faulty = Faulty(rig.store)
        faulty.restart(write)
        executor = executor_over(rig, store=faulty, registry=rig.registry)
        broken = intake_over(rig, store=faulty, executor=executor)
        await asyncio.gather(broken.submit(given), return_exceptions=True)

        receipt = await intake_over(rig).submit(given)

        assert len(await diagnoses(rig)) == 1
        assert [one.target for one in await proposals(rig)] == ["a", "b"]
        assert len(receipt.proposals) == 2
        await rig.sweeper.sweep()
        assert [await status(rig.store, one.id) for one in await proposals(rig)] == ["validated", "validated"]

    async def test_a_locked_database_stores_nothing(self, rig: Rig) -> None:
        faulty = Faulty(rig.store)
        faulty.restart(all_of_them=True)

        with pytest.raises(StorageError):
            await intake_over(rig, store=faulty).submit(submission(diagnosis()))

        assert await diagnoses(rig) == []


class Slow:
    """A target that is read slowly, while somebody else does something."""

    def __init__(self, rig: Rig) -> None:
        self._read = rig.target.preview
        self.meanwhile = asyncio.Event()
        self.reading = asyncio.Event()
        self.reads = 0

    async def preview(self, params: Touch) -> Preview:
        self.reads += 1
        if self.reads == 1:
            self.reading.set()
            await self.meanwhile.wait()
        return await self._read(params)


class TestWhatHappensMeanwhile:
    async def reading(self, rig: Rig) -> tuple[Slow, asyncio.Task[object]]:
        slow = Slow(rig)
        redefine(rig, "rack.touch", preview=slow.preview)
        given = submission(diagnosis(recommended("a"), recommended("b")))
        task: asyncio.Task[object] = asyncio.create_task(intake_over(rig).submit(given))
        await slow.reading.wait()
        return slow, task

    async def test_the_sweeper_validates_it_first(self, rig: Rig) -> None:
        slow, task = await self.reading(rig)
        await rig.sweeper.sweep()
        slow.meanwhile.set()

        receipt = await task

        assert len(receipt.proposals) == 2  # type: ignore[attr-defined]  # a receipt
        assert [await status(rig.store, one.id) for one in await proposals(rig)] == ["validated", "validated"]

    async def test_somebody_cancels_it(self, rig: Rig) -> None:
        slow, task = await self.reading(rig)
        await rig.executor.cancel_proposal(1, by=ANN)
        slow.meanwhile.set()

        await task

        assert [await status(rig.store, one.id) for one in await proposals(rig)] == ["cancelled(user)", "validated"]

    async def test_the_kill_switch_is_thrown(self, rig: Rig) -> None:
        slow, task = await self.reading(rig)
        await rig.safety.kill_switch(by=BO, reason="stop")
        slow.meanwhile.set()

        await task

        assert [await status(rig.store, one.id) for one in await proposals(rig)] == ["cancelled(kill_switch)"]

    async def test_a_target_that_cannot_be_read_yet_leaves_a_proposal_to_be_checked(self, rig: Rig) -> None:
        async def down(params: Touch) -> Preview:
            raise TargetUnavailableError(f"{params.item} does not answer")

        redefine(rig, "rack.touch", preview=down)

        receipt = await intake_over(rig).submit(submission(diagnosis(recommended("a"))))

        assert [one.status.value for one in receipt.proposals] == ["proposed"]
        assert len(await outbox(rig, OutboxKind.CARD)) == 1
        assert await outbox(rig, OutboxKind.DIAGNOSIS) == []

    async def test_a_fault_in_one_preview_does_not_keep_the_other_recommendation(self, rig: Rig) -> None:
        async def broken(params: Touch) -> Preview:
            raise KeyError(f"a bug at {params.item}")

        redefine(rig, "rack.touch", preview=broken)
        given = submission(diagnosis(recommended("a"), recommended("b", action="rack.crush")))

        receipt = await intake_over(rig).submit(given)

        assert [(one.target, one.status.value) for one in receipt.proposals] == [("a", "cancelled"), ("b", "validated")]
