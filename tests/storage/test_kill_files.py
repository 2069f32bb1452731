"""Kill files: the stop that works when the database does not."""

import stat
from pathlib import Path

import pytest

from storage.kill_files import DirectoryKillFiles
from tests.factories import CountingEntropy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def files(folder: Path) -> DirectoryKillFiles:
    return DirectoryKillFiles(folder, entropy=CountingEntropy())


def test_a_dropped_file_is_present_until_it_is_removed(files: DirectoryKillFiles, folder: Path) -> None:
    assert files.present() == []
    first, second = files.drop(), files.drop()

    assert files.present() == [first, second]
    files.remove([first])
    assert files.present() == [second]
    files.remove([first, second])
    assert files.present() == []
    assert list(folder.iterdir()) == []


def test_the_file_of_a_subject_holds_back_that_subject_alone(files: DirectoryKillFiles) -> None:
    everything, etcd = files.drop(), files.drop("etcd")

    assert files.present() == [everything, etcd]
    assert files.present("etcd") == [everything, etcd]
    assert files.present("db") == [everything]
    assert files.present("*") == [everything]
    files.remove(files.present("etcd"))
    assert files.present() == []


@pytest.mark.parametrize("name", ["kill-now", "kill-", "kill-@etcd", "kill-0f@", "kill-0f@Etcd", "kill-etcd@0f"])
def test_a_file_that_names_no_subject_as_we_do_holds_everything_back(
    files: DirectoryKillFiles, folder: Path, name: str
) -> None:
    (folder / name).touch()

    assert files.present("db") == [name]


@pytest.mark.parametrize("scope", ["../x", "", "a/b", "\ud800"])
def test_no_file_is_dropped_for_what_cannot_be_a_subject(files: DirectoryKillFiles, folder: Path, scope: str) -> None:
    with pytest.raises(ValueError, match="no name of a subject"):
        files.drop(scope)
    assert list(folder.iterdir()) == []


def test_a_kill_file_is_empty_and_ours_alone(files: DirectoryKillFiles, folder: Path) -> None:
    file = folder / files.drop()

    assert file.stat().st_size == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_processes_see_each_others_files(files: DirectoryKillFiles, folder: Path) -> None:
    other = DirectoryKillFiles(folder, entropy=CountingEntropy("other"))
    name = other.drop()

    assert files.present() == [name]


def test_a_name_is_never_used_twice(folder: Path) -> None:
    DirectoryKillFiles(folder, entropy=CountingEntropy()).drop()

    with pytest.raises(FileExistsError):
        DirectoryKillFiles(folder, entropy=CountingEntropy()).drop()


def test_other_files_stop_nothing_and_are_never_removed(files: DirectoryKillFiles, folder: Path) -> None:
    (folder / "witness.log").touch()

    assert files.present() == []
    for name in ("witness.log", "../state/kill-0", "kill-../x", "", "kill-"):
        with pytest.raises(ValueError, match="not the name of a kill file"):
            files.remove([name])
    assert (folder / "witness.log").exists()


def test_a_folder_that_cannot_be_listed_counts_as_a_kill(files: DirectoryKillFiles, folder: Path) -> None:
    folder.rmdir()

    assert files.present() == [f"unreadable: {folder} (No such file or directory)"]
    files.remove(files.present())
    assert len(files.present()) == 1


def test_a_kill_makes_the_folder_it_needs(files: DirectoryKillFiles, folder: Path) -> None:
    folder.rmdir()
    name = files.drop()

    assert files.present() == [name]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_kill_that_cannot_be_dropped_says_so(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(OSError, match="file"):
        DirectoryKillFiles(folder / "file", entropy=CountingEntropy()).drop()
