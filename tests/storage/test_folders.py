import stat
from pathlib import Path

import pytest

from storage.folders import make_folder, sync_folder


def test_a_folder_is_made_for_its_owner_alone_with_those_that_it_stands_in(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "lib" / "operator"

    make_folder(folder)
    make_folder(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_whose_place_is_taken_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "var").touch()

    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "var" / "operator")


def test_a_folder_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")
