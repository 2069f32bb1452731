"""Bugs to be put into the code while it is imported; `python -m tests.actions.mutants NAME …` tries them.

Nothing on disk changes.
"""

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from tests.seeding import Bug, plant

LIBRARIES: Final = ("alembic.command", "blockbuster", "orjson", "pydantic", "sqlalchemy", "sqlmodel")
"""What takes long to import and is not under test."""


@dataclass(frozen=True)
class Mutant:
    """A bug: what is replaced, exactly once, by what; and the test that must fail then."""

    module: str
    old: str
    new: str
    killed_by: str

    @property
    def bug(self) -> Bug:
        """What is planted."""
        return Bug(module=self.module, old=self.old, new=self.new)


MUTANTS: Final[Mapping[str, Mutant]] = {
    "a transition from any status": Mutant(
        "tests.memory_store",
        "if current is None or _guard(current) != _guard(proposal):",
        "if current is None:",
        "tests/storage/test_contract_proposals.py::test_of_two_moves_from_the_same_view_one_wins[memory]",
    ),
    "the mode is not looked at": Mutant(
        "actions.safety",
        "stop = next((row for row in (overall, own) if row.mode is not SafetyMode.EXECUTE), None)",
        "stop = None",
        "tests/actions/test_safety.py::TestWhatIsNotStored::test_a_mode_that_was_set_behind_our_back_holds_all_the_same[memory-rack]",
    ),
    "the kill file is not looked at": Mutant(
        "actions.safety",
        "    held = kill_files.present(proposal.subject)\n    if held:\n        return KilledError",
        "    held = []\n    if held:\n        return KilledError",
        "tests/actions/test_safety.py::TestWhenTheDatabaseFails::test_the_file_stays_and_no_claim_passes_it[memory]",
    ),
    "a kill without a new epoch": Mutant(
        "actions.safety",
        "epoch=before.epoch + 1,",
        "epoch=before.epoch + (stopped_as is ReasonCode.MODE_OBSERVE),",
        "tests/actions/test_decisions.py::TestTimeAndEpochs::"
        "test_a_kill_that_had_no_time_to_cancel_still_stops[memory-while stopped]",
    ),
    "the kill file comes after the database": Mutant(
        "actions.safety",
        "        file = self._drop_kill_file(scope)\n        try:",
        "        file = None\n        try:",
        "tests/actions/test_safety.py::TestTheKillSwitch::"
        "test_the_file_lies_there_before_the_database_is_asked_and_goes_after_the_commit[memory]",
    ),
    "an approval for each click": Mutant(
        "actions.decisions",
        "if not tx.insert_approval(approval):",
        "if not tx.insert_approval(approval) and proposal.id < 0:",
        "tests/actions/test_decisions.py::TestWhoDecides::test_one_person_counts_once[memory]",
    ),
    "approvals by anybody": Mutant(
        "actions.admission",
        "if decision.allowed:\n        return proposal",
        "if decision.reason:\n        return proposal",
        "tests/actions/test_decisions.py::TestWhoDecides::test_a_stranger_changes_nothing_and_is_written_down[memory-approve]",
    ),
    "approvals of one's own proposal": Mutant(
        "actions.policy",
        "if self.person(proposal.proposed_by) == person:",
        "if proposal.proposed_by == person:",
        "tests/actions/test_decisions.py::TestWhoDecides::test_nobody_approves_what_they_proposed[memory]",
    ),
    "a copy of the card": Mutant(
        "actions.decisions",
        "if tx.record_message(pressed) != pressed:",
        "if tx.record_message(pressed) is None:",
        "tests/actions/test_decisions.py::TestWhatWasDisplayed::"
        "test_what_differs_from_the_one_card_is_refused_and_written_down[memory-channel_id-C2-a copy of the card]",
    ),
    "a click that is delivered twice": Mutant(
        "actions.decisions",
        "earlier = tx.inbox(ask.by.key)",
        "earlier = None if proposal.version else tx.inbox(ask.by.key)",
        "tests/actions/test_decisions.py::TestRepetition::test_the_same_click_twice_is_one_transition_and_one_answer[memory]",
    ),
    "time that is not looked at": Mutant(
        "actions.safety",
        "    if is_overdue(proposal, now):\n        transition",
        "    if is_overdue(proposal, now) and proposal.epoch < 0:\n        transition",
        "tests/actions/test_decisions.py::TestTimeAndEpochs::test_an_old_approval_does_not_run[memory]",
    ),
    "a claim that trusts the status": Mutant(
        "actions.attempt",
        "if lacking:",
        "if lacking and proposal.id < 0:",
        "tests/actions/test_run.py::TestAtMostOnce::test_what_too_few_people_approved_does_not_run_whatever_its_row_says[memory]",
    ),
    "a claim that trusts yesterday's rights": Mutant(
        "actions.attempt",
        "            or self._denied(tx, proposal, ready, at)\n",
        "",
        "tests/actions/test_decisions.py::TestWhoDecides::test_whoever_left_since_cannot_have_approved[memory]",
    ),
    "a claim that trusts old readings": Mutant(
        "actions.successors",
        "        drift = drift_of(proposal.pins, now_there.pins)\n",
        '        drift = ""\n',
        "tests/actions/test_run.py::TestAtMostOnce::test_what_has_moved_since_the_decision_does_not_run[memory]",
    ),
    "a claim that trusts old readings of a real cluster": Mutant(
        "actions.successors",
        "        drift = drift_of(proposal.pins, now_there.pins)\n",
        '        drift = ""\n',
        "tests/subjects/test_real_drift.py::TestBetweenClickAndClaim::"
        "test_what_moves_after_the_approval_is_not_moved_back",
    ),
    "a click that trusts old readings of a real cluster": Mutant(
        "actions.successors",
        "return self.renew(tx, proposal, reading.drift, by, at) if reading.drift else None",
        "return None",
        "tests/subjects/test_real_drift.py::TestBeforeTheClick::"
        "test_a_click_on_what_has_moved_asks_nothing_of_etcd_and_leads_to_a_new_card",
    ),
    "an answer that comes too late": Mutant(
        "actions.attempt",
        "        if current is None or not mine:\n",
        "        if current is None:\n",
        "tests/actions/test_run.py::TestTheLease::test_a_late_result_is_refused_and_written_down[memory]",
    ),
    "steps that do not look": Mutant(
        "actions.run",
        "stop = await self._why_stop()\n        if stop is not None:\n            self._note",
        "stop = None\n        if stop is not None:\n            self._note",
        "tests/actions/test_run.py::TestSteps::test_no_call_is_made_once_it_is_stopped"
        "[memory-kill switch-swap-made1-failed(partial)]",
    ),
    "an interruption that is forgotten": Mutant(
        "actions.executor",
        "await _undisturbed(self._finish(run.claimed, run.record, interrupted))",
        "await self._finish(run.claimed, run.record, interrupted) if run is None else None",
        "tests/actions/test_dispatcher.py::test_it_interrupts_what_takes_longer_than_the_grace_and_records_it_as_unknown[memory]",
    ),
    "a claim that nobody gives back": Mutant(
        "actions.executor",
        "            await _undisturbed(self._give_back(claiming))\n",
        "",
        "tests/actions/test_run.py::TestCancellation::test_at_every_turn_of_the_loop_nothing_is_left_running",
    ),
    "a kill that does not list what runs": Mutant(
        "actions.safety",
        "statuses=(EXECUTING, UNKNOWN), subject=subject",
        "statuses=(UNKNOWN,), subject=subject",
        "tests/actions/test_safety.py::TestTheKillSwitch::test_what_may_still_take_effect_is_listed[memory]",
    ),
    "one look instead of two": Mutant(
        "actions.reconcile",
        "if second.happened is not first.happened:",
        "if second.happened is Happened.CANNOT_TELL:",
        "tests/actions/test_reconcile.py::TestLooking::test_anything_less_leaves_it_unknown",
    ),
}


def tried(name: str) -> tuple[int, str]:
    """Run the test that finds the bug of this name, with the bug in the code; all of them, if no bug has it."""
    tests = [MUTANTS[name].killed_by] if name in MUTANTS else [mutant.killed_by for mutant in MUTANTS.values()]
    with tempfile.TemporaryFile() as output:
        child = os.fork()  # so that the libraries are imported once, and the code under test each time
        if child == 0:
            os.dup2(output.fileno(), sys.stdout.fileno())
            if name in MUTANTS:
                plant(MUTANTS[name].bug)
            code = pytest.main(["-q", "-p", "no:cacheprovider", *tests])
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def main(names: Sequence[str]) -> None:
    """Write one line of JSON for each name: the name, pytest's exit code, and what it said."""
    for library in LIBRARIES:
        importlib.import_module(library)
    for name in names:
        code, output = tried(name)
        sys.stdout.write(f"{json.dumps([name, code, output])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
