import os
import socket
import subprocess
import sys
import threading
from datetime import UTC
from pathlib import Path

import pytest

from actions.errors import ConfigurationError
from bot.system import ButtonKey, SystemClock, SystemEntropy, is_dead, process_owner

HERE = socket.gethostname()


def test_the_key_is_made_once_for_this_user_alone_and_is_the_same_ever_after(tmp_path: Path) -> None:
    first, second = ButtonKey.kept_in(tmp_path), ButtonKey.kept_in(tmp_path)

    assert first.token_for("a") == second.token_for("a")
    assert (tmp_path / "button.key").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "button.key").read_bytes()) == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["button.key"]


def test_tokens_are_128_bits_and_differ_by_proposal_and_by_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, theirs = ButtonKey.kept_in(tmp_path), ButtonKey.kept_in(tmp_path / "other")

    tokens = {ours.token_for("a"), ours.token_for("b"), theirs.token_for("a"), theirs.token_for("b")}

    assert len(tokens) == 4
    assert all(len(bytes.fromhex(token)) == 16 for token in tokens)


def test_of_many_that_start_at_once_all_have_the_same_key(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    tokens: list[str] = []

    def start() -> None:
        gate.wait()
        tokens.append(ButtonKey.kept_in(tmp_path).token_for("a"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tokens) == 8
    assert set(tokens) == {ButtonKey.kept_in(tmp_path).token_for("a")}


def test_what_a_crash_left_of_a_key_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "button.key.12ab34cd").write_bytes(b"half")

    ButtonKey.kept_in(tmp_path)

    assert len((tmp_path / "button.key").read_bytes()) == 32


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"x" * 32, 0o644, "is readable by others. Run: chmod 600"),
        (b"x" * 32, 0o660, "is readable by others. Run: chmod 600"),
        (b"x" * 31, 0o600, "is damaged. Remove it"),
        (b"", 0o600, "is damaged. Remove it"),
    ],
)
def test_a_key_that_cannot_be_trusted_is_refused(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    (tmp_path / "button.key").write_bytes(content)
    (tmp_path / "button.key").chmod(mode)

    with pytest.raises(ConfigurationError, match=why):
        ButtonKey.kept_in(tmp_path)


def test_a_key_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be made or read"):
        ButtonKey.kept_in(tmp_path / "nowhere")


def test_the_clock_is_in_utc_and_never_steps_back() -> None:
    clock = SystemClock()

    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_random_tokens_are_128_bits_and_differ() -> None:
    tokens = {SystemEntropy().token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(bytes.fromhex(token)) == 16 for token in tokens)


def test_no_two_processes_have_the_same_name() -> None:
    assert process_owner() != process_owner()
    assert process_owner().startswith(f"{HERE}/{os.getpid()}/")


def test_a_process_of_this_host_that_is_gone_is_dead() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()

    assert is_dead(f"{HERE}/{gone.pid}/abcd", me=process_owner())


@pytest.mark.parametrize(
    ("owner", "dead"),
    [
        (f"{HERE}/1/abcd", False),
        (f"{HERE}/{os.getppid()}/abcd", False),
        (f"{HERE}/{os.getpid()}/before", True),
        ("another-host/1/abcd", False),
        (f"{HERE}/none/abcd", False),
        (f"{HERE}/", False),
        (HERE, False),
        ("", False),
    ],
    ids=["first of all", "our parent", "our own number", "elsewhere", "no number", "no more", "only a host", "nothing"],
)
def test_who_is_known_to_be_gone(owner: str, dead: bool) -> None:
    assert is_dead(owner, me=f"{HERE}/{os.getpid()}/now") is dead


def test_nobody_takes_himself_for_dead() -> None:
    me = process_owner()

    assert not is_dead(me, me=me)
