import json
import os
import pty
import signal
from typing import Any

import pytest

from actions.models import ActionStatus
from tests.bot.cli.home import Home
from tests.rig import Rig


async def two_waiting_one_unknown(rig: Rig) -> list[int]:
    rig.target.faults["lost"] = "apply-then-lost"
    unknown = await rig.approved("lost")
    await rig.executor.execute_proposal(unknown)
    return [unknown, await rig.propose("a"), await rig.propose("b")]


async def statuses(rig: Rig) -> list[ActionStatus]:
    return [proposal.status for proposal in await rig.store.read(lambda reader: reader.proposals())][::-1]


def mode_of(home: Home) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(home.run("actions", "mode", "--json").out)["controls"][0]
    return shown


def test_the_kill_switch_cancels_what_waits_and_lists_what_is_in_flight(home: Home) -> None:
    unknown, *_ = home.act(two_waiting_one_unknown)

    said = home.run("actions", "kill-switch", "wrong", "cluster")

    assert said.code == 0
    assert "Cancelled: 2 waiting action(s)." in said.out
    row = said.out.splitlines()[-1].split()
    assert row == [str(unknown), "unknown", "rack.touch", "rack:lost"]
    assert home.kill_files() == []
    control = mode_of(home)
    assert (control["mode"], control["reason"]) == ("observe", "wrong cluster")


def test_what_a_kill_did_can_be_read_as_json(home: Home) -> None:
    unknown, *_ = home.act(two_waiting_one_unknown)

    document = json.loads(home.run("actions", "kill-switch", "--json").out)

    assert (document["recorded"], document["cancelled"], document["problem"]) == (True, 2, "")
    assert [one["id"] for one in document["in_flight"]] == [unknown]


def test_mode_observe_lists_what_is_in_flight_too(home: Home) -> None:
    unknown, *_ = home.act(two_waiting_one_unknown)

    told = home.run("actions", "mode", "observe").out
    document = json.loads(home.run("actions", "mode", "observe", "--json").out)

    assert "In flight: what was begun before the stop." in told
    assert [one["id"] for one in document["in_flight"]] == [unknown]


def test_nothing_in_flight_is_said_in_so_many_words(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))

    assert "In flight: none." in home.run("actions", "kill-switch").out


def test_with_a_locked_database_a_kill_file_stops_this_host_and_the_exit_code_says_so(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    blocker = home.sql()
    blocker.execute("BEGIN IMMEDIATE")

    said = home.run("actions", "kill-switch", "now")

    blocker.execute("ROLLBACK")
    blocker.close()
    assert said.code == 4
    assert said.out == ""
    for expected in (
        "KILL FILE ONLY (exit code 4)",
        str(home.state),
        "on this host nothing new begins",
        "Other hosts are not stopped",
        "cannot be listed",
    ):
        assert expected in said.err
    assert home.kill_files()
    assert "held back" in home.run("actions", "mode").out


def test_at_the_console_exit_code_4_is_told_in_sentences_without_a_traceback(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    blocker = home.sql()
    blocker.execute("BEGIN IMMEDIATE")

    with home.start("actions", "kill-switch") as killing:
        out, err = killing.communicate()

    blocker.close()
    assert (killing.returncode, out) == (4, "")
    assert all(row.startswith("operator: ") for row in err.splitlines())


def test_a_kill_file_holds_until_mode_execute_on_that_host(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    home.state.joinpath("kill-00ff").touch()

    held = json.loads(home.run("actions", "mode", "--json").out)["held_back_by"]
    said = home.run("actions", "mode", "execute", "the database is back")

    assert held == ["kill-00ff"]
    assert said.code == 0
    assert home.kill_files() == []
    assert mode_of(home)["mode"] == "execute"


def test_a_typing_error_in_the_configuration_does_not_bar_the_way_out(home: Home) -> None:
    home.configure('chanel = "C1"\nstate_dir = "elsewhere"\n')

    said = home.run("actions", "kill-switch")

    assert said.code == 4
    assert "Did you mean" in said.err
    assert [path.name[:5] for path in (home.path / "elsewhere").iterdir()] == ["kill-"]


def test_a_configuration_that_is_no_toml_does_not_bar_it_either(home: Home) -> None:
    home.configure("channel = \n")

    assert home.run("actions", "kill-switch").code == 4
    assert home.kill_files()


def test_in_the_wrong_directory_nothing_is_pretended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = home.path / "wrong"
    wrong.mkdir()
    monkeypatch.chdir(wrong)

    said = home.run("actions", "kill-switch")

    assert said.code == 2
    assert "There is no operator.toml" in said.err
    assert list(wrong.iterdir()) == []


def test_if_neither_file_nor_database_can_be_written_it_says_that_nothing_was_stopped(home: Home) -> None:
    home.configure('database = "sqlite:///operator.toml/operator.db"\nstate_dir = "operator.toml/state"\n')

    said = home.run("actions", "kill-switch")

    assert said.code == 3
    assert "NOTHING WAS STOPPED" in said.err
    assert "by hand" in said.err


def test_a_kill_of_an_unknown_subject_is_refused_and_leaves_no_file(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))

    said = home.run("actions", "kill-switch", "--subject", "nonsense")

    assert said.code == 1
    assert "Configured: processes. Nothing was stopped; to stop everything" in said.err
    assert home.kill_files() == []
    assert mode_of(home)["mode"] == "execute"


def test_nothing_but_what_is_configured_is_switched(home: Home) -> None:
    for wanted in ("observe", "execute"):
        said = home.run("actions", "mode", wanted, "because", "--subject", "nonsense")

        assert said.code == 1
        assert "There is no subject 'nonsense'. Configured: processes." in said.err
    assert mode_of(home)["mode"] == "observe"


def test_a_locked_database_leaves_a_kill_file_for_the_subject_that_was_named(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    blocker = home.sql()
    blocker.execute("BEGIN IMMEDIATE")

    said = home.run("actions", "kill-switch", "now", "--subject", "processes")

    blocker.execute("ROLLBACK")
    blocker.close()
    assert said.code == 4
    assert "on this host nothing new of processes begins" in said.err
    assert "operator actions mode execute --subject processes" in said.err
    assert {name.partition("@")[2] for name in home.kill_files()} == {"processes"}
    assert home.run("actions", "mode", "execute", "over", "--subject", "processes").code == 0
    assert home.kill_files() == []


def test_a_kill_of_one_subject_says_that_others_go_on(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    home.run("subjects", "list")

    said = home.run("actions", "kill-switch", "now", "--subject", "processes")

    assert said.code == 0
    assert "Stopped processes." in said.out
    assert "Other subjects go on" in said.out
    assert mode_of(home)["mode"] == "execute"


def test_with_an_unusable_configuration_everything_is_stopped_whatever_was_named(home: Home) -> None:
    home.configure('chanel = "C1"\n')

    said = home.run("actions", "kill-switch", "--subject", "processes")

    assert said.code == 4
    assert "on this host nothing new begins" in said.err
    assert [name for name in home.kill_files() if "@" in name] == []


@pytest.mark.parametrize(
    ("answer", "reason"), [(b"wrong cluster\n", "wrong cluster"), (b"\n", ""), (b"\x04", ""), (b"  \n", "")]
)
def test_a_person_at_a_terminal_is_asked_why_once_it_is_stopped(home: Home, answer: bytes, reason: str) -> None:
    home.act(lambda rig: rig.propose("a"))
    ours, its = pty.openpty()

    with home.start("actions", "kill-switch", stdin=its) as asking:
        os.close(its)
        os.write(ours, answer)
        out, err = asking.communicate(timeout=30)
    os.close(ours)

    assert asking.returncode == 0
    assert out.startswith("Stopped.")
    assert err.startswith("Why? ")
    control = mode_of(home)
    assert (control["mode"], control["reason"]) == ("observe", reason)


def test_it_is_stopped_before_anybody_answers_and_an_interrupt_leaves_it_so(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    ours, its = pty.openpty()

    with home.start("actions", "kill-switch", stdin=its) as asking:
        os.close(its)
        assert asking.stderr is not None
        assert os.read(asking.stderr.fileno(), 4) == b"Why?"
        assert mode_of(home)["mode"] == "observe"
        asking.send_signal(signal.SIGINT)
        _, err = asking.communicate(timeout=30)
    os.close(ours)

    assert asking.returncode == 0
    assert "Traceback" not in err


def test_a_program_is_not_asked_why(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    ours, its = pty.openpty()

    with home.start("actions", "kill-switch", "--json", stdin=its) as asking:
        os.close(its)
        out, err = asking.communicate(timeout=30)
    os.close(ours)

    document = json.loads(out)
    assert (asking.returncode, err, document["recorded"], document["scope"]) == (0, "", True, "*")
    assert document["seq"] > 0


def test_the_first_of_two_people_is_told_that_one_more_is_needed(home: Home) -> None:
    home.configure(f"{home.config}\n[limits]\nlift_people = 2\n")
    home.run("subjects", "list")

    said = home.run("actions", "mode", "execute", "all", "is", "well")
    document = json.loads(home.run("actions", "mode", "execute", "all is well", "--json").out)

    assert said.code == 0
    assert "Recorded: 1 of 2 people want mode execute. Nothing was switched yet." in said.out
    assert "operator actions mode execute REASON" in said.out
    assert document["lift"] == {"have": 1, "need": 2}
    assert document["control"]["mode"] == "observe"
    assert mode_of(home)["mode"] == "observe"


def test_lifting_one_subject_while_everything_is_stopped_says_that_it_is(home: Home) -> None:
    home.run("subjects", "list")

    said = home.run("actions", "mode", "execute", "all is well", "--subject", "processes")

    assert said.code == 0
    assert "The mode is execute for processes, but everything is still stopped" in said.out
    assert "operator actions mode execute REASON" in said.out


def test_a_reason_that_is_too_long_does_not_hold_up_a_kill(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))

    said = home.run("actions", "kill-switch", "x" * 501)

    assert said.code == 0
    assert mode_of(home)["mode"] == "observe"
    assert len(mode_of(home)["reason"]) <= 500
    assert home.kill_files() == []


def test_one_subject_can_be_stopped_alone(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))
    home.run("subjects", "list")

    said = home.run("actions", "mode", "observe", "--subject", "processes", "--reason", "maintenance")

    controls = json.loads(home.run("actions", "mode", "--json").out)["controls"]
    assert said.code == 0
    assert {control["scope"]: control["mode"] for control in controls} == {
        "*": "execute",
        "processes": "observe",
        "rack": "execute",
    }


def test_the_mode_is_observe_until_somebody_says_otherwise_and_why(home: Home) -> None:
    home.run("subjects", "list")

    first = mode_of(home)
    refused = home.run("actions", "mode", "execute")
    said = home.run("actions", "mode", "EXECUTE", "on-call is watching")

    assert first["mode"] == "observe"
    assert refused.code == 1
    assert "needs a reason" in refused.err
    assert said.code == 0
    assert "everything" in home.run("actions", "mode").out
    assert mode_of(home)["reason"] == "on-call is watching"


def test_observe_cancels_what_waits(home: Home) -> None:
    home.act(two_waiting_one_unknown)

    said = home.run("actions", "mode", "observe")

    assert "Cancelled: 2 waiting action(s)." in said.out
    assert home.act(statuses)[1:] == [ActionStatus.CANCELLED] * 2


def test_a_ceiling_in_the_configuration_keeps_execute_from_having_an_effect_and_says_so(home: Home) -> None:
    home.configure(f'mode_ceiling = "observe"\n{home.config}')

    said = home.run("actions", "mode", "execute", "why not")

    assert "mode_ceiling" in said.err


def test_another_word_is_wrong_usage(home: Home) -> None:
    assert home.run("actions", "mode", "halt").code == 2


def test_who_is_not_on_the_list_may_stop_but_not_go_on(home: Home) -> None:
    home.configure('[people.ann]\ncli = ["ann"]\n[approvers]\napprove = ["ann"]\nkill = []\n')
    home.act(lambda rig: rig.propose("a"))

    assert home.run("actions", "mode", "execute", "because").code == 1
    assert home.run("actions", "kill-switch").code == 0
