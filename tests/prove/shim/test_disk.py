"""The disk that loses its power: it may lose whatever was not synced, and nothing else."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.prove.shim.disk import SECTOR, Disk, Fate
from tests.prove.shim.recording import Event, What

ROOT = Path("/watched")
FILE = ROOT / "file"
FOLDER_OPEN = Event(What.OPENED, 9, 0, bytes(ROOT))
FOLDER_SYNCED = Event(What.SYNCED, 9, 0, b"")
SYNCED = Event(What.SYNCED, 1, 0, b"")


def opened(path: Path = FILE, handle: int = 1) -> Event:
    return Event(What.OPENED, handle, 1, bytes(path))


def wrote(at: int, content: bytes, handle: int = 1) -> Event:
    return Event(What.WROTE, handle, at, content)


def found(events: Sequence[Event], tmp_path: Path, fate: Fate = Fate.LOST, seed: int = 0) -> dict[str, bytes]:
    disk = Disk(ROOT)
    for event in events:
        disk.take(event)
    image = tmp_path / f"image-{fate}-{seed}"
    disk.lose_power(image, fate, Random(seed))
    return {path.name: path.read_bytes() for path in image.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fate", Fate)
def test_what_was_synced_under_a_synced_name_is_there(fate: Fate, tmp_path: Path) -> None:
    events = [opened(), wrote(0, b"kept"), SYNCED, FOLDER_OPEN, FOLDER_SYNCED]

    assert found(events, tmp_path, fate) == {"file": b"kept"}


def test_what_was_not_synced_may_be_gone(tmp_path: Path) -> None:
    events = [opened(), wrote(0, b"kept"), SYNCED, FOLDER_OPEN, FOLDER_SYNCED, wrote(2, b"LOST")]

    assert found(events, tmp_path) == {"file": b"kept"}
    assert found(events, tmp_path, Fate.KEPT) == {"file": b"keLOST"}


def test_a_file_is_gone_if_only_its_content_was_synced(tmp_path: Path) -> None:
    events = [opened(), wrote(0, b"kept"), SYNCED]

    assert found(events, tmp_path) == {}
    assert found(events, tmp_path, Fate.KEPT) == {"file": b"kept"}


def test_a_file_comes_back_if_its_removal_was_not_synced(tmp_path: Path) -> None:
    events = [opened(), SYNCED, FOLDER_OPEN, FOLDER_SYNCED, Event(What.UNLINKED, 0, 0, bytes(FILE))]

    assert found(events, tmp_path) == {"file": b""}
    assert found([*events, FOLDER_SYNCED], tmp_path, Fate.ANY) == {}


def test_a_file_in_a_folder_whose_own_name_was_not_synced_is_gone(tmp_path: Path) -> None:
    inner = ROOT / "inner"
    events = [
        Event(What.MADE_FOLDER, 0, 0, bytes(inner)),
        opened(inner / "file"),
        wrote(0, b"kept"),
        SYNCED,
        Event(What.OPENED, 2, 0, bytes(inner)),
        Event(What.SYNCED, 2, 0, b""),
    ]

    assert found(events, tmp_path) == {}
    assert found([*events, FOLDER_OPEN, FOLDER_SYNCED], tmp_path, seed=1) == {"file": b"kept"}


def test_a_sync_that_failed_is_not_made_good_by_the_next(tmp_path: Path) -> None:
    failed = Event(What.SYNC_FAILED, 1, 0, b"")
    events = [opened(), FOLDER_OPEN, FOLDER_SYNCED, wrote(0, b"gone"), failed, SYNCED]

    assert found(events, tmp_path, Fate.KEPT) == {"file": b""}
    assert found([*events, wrote(0, b"kept"), SYNCED], tmp_path, seed=1) == {"file": b"kept"}


def test_a_later_write_may_be_there_without_an_earlier_one(tmp_path: Path) -> None:
    events = [opened(), FOLDER_OPEN, FOLDER_SYNCED, wrote(0, b"first"), wrote(5, b"second")]

    seen = {found(events, tmp_path, Fate.ANY, seed)["file"] for seed in range(50)}

    assert {b"", b"first", b"firstsecond", bytes(5) + b"second"} <= seen


@pytest.mark.parametrize("fate", [Fate.ANY, Fate.CUT])
def test_a_torn_write_is_torn_between_sectors(fate: Fate, tmp_path: Path) -> None:
    sectors = [bytes([letter]) * SECTOR for letter in b"abc"]
    events = [opened(), FOLDER_OPEN, FOLDER_SYNCED, wrote(0, b"".join(sectors))]

    seen = {found(events, tmp_path, fate, seed)["file"] for seed in range(300)}

    assert sectors[0] + bytes(SECTOR) + sectors[2] in seen
    for content in seen:
        parts = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
        assert all(part in {own, bytes(SECTOR)} for part, own in zip(parts, sectors, strict=False))


def test_cutting_a_file_may_be_lost_too(tmp_path: Path) -> None:
    cut = Event(What.TRUNCATED, 1, 1, b"")
    events = [opened(), wrote(0, b"long"), SYNCED, FOLDER_OPEN, FOLDER_SYNCED, cut]

    assert found(events, tmp_path) == {"file": b"long"}
    assert found(events, tmp_path, Fate.KEPT) == {"file": b"l"}
