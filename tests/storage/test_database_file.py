"""Which file may be a database, and who may read it."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from actions.errors import ConfigurationError, StorageError
from storage.database_file import DatabaseFile, refuse_network
from storage.engine import connect, quick_check

MOUNTS = [
    "22 27 0:21 / / rw,relatime - ext4 /dev/vda rw",
    "36 35 98:0 / /mnt/share rw,noatime master:1 - nfs4 server:/x rw",
    "37 35 98:0 / /mnt/share/local rw - ext4 /dev/vdb rw",
    r"38 35 98:0 / /mnt/with\040space rw - cifs //server/x rw",
    "39 35 98:0 / /mnt/sha rw - fuse.sshfs host: rw",
]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:////tmp/x.db?mode=ro", "must name a file"),
        ("postgresql+psycopg://host/db", "names postgresql, which this version cannot use"),
        ("operator.db", "is not a URL"),
    ],
)
def test_what_is_no_database_file_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        DatabaseFile.of(url)


def test_a_url_names_a_relative_or_an_absolute_file(tmp_path: Path) -> None:
    assert DatabaseFile.of("sqlite:///operator.db").path == Path.cwd() / "operator.db"
    assert DatabaseFile.of(f"sqlite:///{tmp_path}/x.db").path == tmp_path / "x.db"


def test_what_is_created_is_ours_alone(tmp_path: Path) -> None:
    file = DatabaseFile(tmp_path / "state" / "operator.db")
    previous = os.umask(0)
    try:
        file.prepare()
    finally:
        os.umask(previous)
    with closing(connect(file, busy_timeout=1)) as connection:
        connection.execute("CREATE TABLE t (x)")
        assert {one.name: oct(mode(one)) for one in file.path.parent.iterdir()} == {
            "operator.db": "0o600",
            "operator.db-wal": "0o600",
            "operator.db-shm": "0o600",
        }

    assert oct(mode(file.path.parent)) == "0o700"


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    DatabaseFile(tmp_path / "operator.db").prepare()

    assert mode(tmp_path) == 0o750


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o666, 0o644, 0o610])
def test_what_others_can_open_is_refused(path: Path, suffix: str, bits: int) -> None:
    open_to_all = path.with_name(path.name + suffix)
    open_to_all.touch()
    open_to_all.chmod(bits)

    with pytest.raises(
        ConfigurationError, match=rf"can be opened by other users .*{bits:04o}.* chmod 600 {open_to_all}"
    ):
        DatabaseFile(path).prepare()


def test_a_read_only_file_is_refused(path: Path) -> None:
    path.chmod(0o400)

    with pytest.raises(ConfigurationError, match="is read-only"):
        DatabaseFile(path).prepare()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, StorageError), match="is not a file"):
        DatabaseFile(tmp_path).prepare()


def test_where_nothing_can_be_created_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"cannot be created .*Choose another `database`"):
        DatabaseFile(tmp_path / "file" / "operator.db").prepare()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/mnt/share/a/x.db", "nfs4"), ("/mnt/with space/x.db", "cifs"), ("/mnt/sha/x.db", r"fuse\.sshfs")],
)
def test_network_file_systems_are_refused(path: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=kind):
        refuse_network(Path(path), MOUNTS)


@pytest.mark.parametrize("path", ["/x.db", "/mnt/share/local/x.db", "/mnt/shared/x.db", "/var/x.db"])
def test_local_file_systems_are_not(path: str) -> None:
    refuse_network(Path(path), MOUNTS)


def test_every_connection_has_the_settings_that_safety_rests_on(path: Path) -> None:
    def settings(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema", "query_only")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    with closing(connect(DatabaseFile(path), busy_timeout=1.5)) as connection:
        assert settings(connection) == ["wal", 2, 1, 1_500, 0, 0]
    with closing(connect(DatabaseFile(path), busy_timeout=0.1, read_only=True)) as connection:
        assert settings(connection) == ["wal", 2, 1, 100, 0, 1]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM inbox")


def test_what_does_not_exist_is_not_made_by_connecting(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        connect(DatabaseFile(tmp_path / "operator.db"), busy_timeout=1)

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "operator.db"
    path.write_bytes(b"This is a text, and by no means a database." * 100)
    path.with_name("operator.db.backup-0001-20260301T120000Z").touch()

    with pytest.raises(StorageError, match=r"no database at all .*copy .*backup-0001-20260301T120000Z to"):
        connect(DatabaseFile(path), busy_timeout=1)


def test_a_damaged_page_is_found_by_the_quick_check(path: Path) -> None:
    quick_check(DatabaseFile(path), busy_timeout=1)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(StorageError, match="is damaged"):
        quick_check(DatabaseFile(path), busy_timeout=1)


def test_a_folder_that_cannot_be_synced_keeps_everything_from_running(tmp_path: Path) -> None:
    file = DatabaseFile(tmp_path / "gone" / "operator.db")

    with pytest.raises(StorageError, match=r"cannot be synced \(No such file or directory\).*nothing runs"):
        file.sync_names()
