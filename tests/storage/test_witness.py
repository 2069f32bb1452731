"""The witness file: only added to, durable, and readable after a power cut."""

import asyncio
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from actions.models import Checkpoint
from storage.witness import WitnessFile, read_testimony
from tests.factories import START

ONE = Checkpoint(seq=12, head="ab" * 32, count=12, at=START)
TWO = replace(ONE, seq=13, count=13, at=START + timedelta(seconds=1.5))


async def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    witness = WitnessFile(tmp_path / "witness.log")
    await witness.keep(ONE)
    await witness.keep(TWO)

    testimony = await asyncio.to_thread(witness.read)
    assert testimony.checkpoints == (ONE, TWO)
    assert testimony.problems == ()
    assert await asyncio.to_thread(witness.checkpoints) == (ONE, TWO)
    assert witness.name == f"file:{tmp_path}/witness.log"


def test_a_witness_is_a_line_for_each_and_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "witness.log"
    WitnessFile(path).append(ONE)
    WitnessFile(path).append(TWO)

    assert path.read_text() == f"{ONE.line()}\n{TWO.line()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("length", [1, 20, 60, 100])
def test_a_torn_last_line_is_told_and_costs_only_itself(tmp_path: Path, length: int) -> None:
    path = tmp_path / "witness.log"
    path.write_text(f"{ONE.line()}\n{TWO.line()[:length]}")

    torn = WitnessFile(path).read()
    assert torn.checkpoints == (ONE,)
    (problem,) = torn.problems
    assert problem.startswith("Line 2 of the witness is no checkpoint: 'a")
    assert problem.endswith("The last line is torn, as after a power cut; it is left out.")

    WitnessFile(path).append(TWO)
    healed = WitnessFile(path).read()
    assert healed.checkpoints == (ONE, TWO)
    assert "It says nothing; it is left out." in healed.problems[0]


def test_torn_lines_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "witness.log"
    path.write_bytes(b"audit checkpoint seq=\xff\n\n")

    assert WitnessFile(path).checkpoints() == ()
    assert "Line 1 of the witness is no checkpoint" in caplog.text


def test_checkpoints_are_found_in_an_export_of_the_channel() -> None:
    text = f'[{{"ts": "1.2", "text": "{ONE.line()} "}},\nhello\n  {TWO.line()} (posted by operator)\n'

    assert read_testimony(text).checkpoints == (ONE, TWO)


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00:00+00:00"])
def test_a_line_without_a_time_is_no_checkpoint(at: str) -> None:
    assert read_testimony(f"audit checkpoint seq=1 count=1 head={'0' * 64} at={at}").checkpoints == ()


async def test_a_witness_that_cannot_write_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await WitnessFile(tmp_path / "missing" / "witness.log").keep(ONE)
