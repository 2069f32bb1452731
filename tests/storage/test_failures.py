"""Each kind of trouble has a sentence of its own, with what to do."""

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import ArgumentError

from actions.errors import StorageError
from storage.failures import how_to_restore, is_disk_error, lock_holders, storage_error, translated

PATH = Path("/nowhere/operator.db")
CODES = {
    sqlite3.SQLITE_BUSY: "is locked by another connection; nothing was recorded. Try again",
    sqlite3.SQLITE_BUSY_SNAPSHOT: "is locked by another connection; nothing was recorded. Try again",
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full; nothing was recorded. Free some space",
    sqlite3.SQLITE_READONLY_DBMOVED: "is read-only; nothing was recorded. Check who owns the file",
    sqlite3.SQLITE_CORRUPT: "is damaged, or no database at all (why); nothing was recorded. There is no backup",
    sqlite3.SQLITE_NOTADB: "is damaged, or no database at all (why); nothing was recorded. There is no backup",
    sqlite3.SQLITE_IOERR_FSYNC: "could not be read or written, its disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; nothing was recorded. Check that the file and its folder exist",
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "refused a row that breaks one of its own rules (why); nothing was recorded",
    sqlite3.SQLITE_ERROR: "does not have the shape that this version of operator expects (why); nothing was recorded",
}


def an_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(("code", "sentence"), CODES.items())
def test_each_kind_of_trouble_says_what_to_do(code: int, sentence: str) -> None:
    text = str(storage_error(an_error(code), PATH))

    assert text.startswith(f"The database {PATH} {sentence}")
    assert text.endswith(".")


def test_an_error_without_a_code_has_a_sentence_too() -> None:
    assert "(odd)" in str(storage_error(sqlite3.InterfaceError("odd"), PATH))


def test_only_an_error_of_the_disk_ends_all_writing() -> None:
    disk = {code for code in CODES if is_disk_error(an_error(code))}

    assert disk == {sqlite3.SQLITE_IOERR_FSYNC}
    assert not is_disk_error(ValueError())


def test_only_the_databases_own_errors_are_translated() -> None:
    mine = ValueError("mine")

    assert translated(mine, PATH) is mine
    assert isinstance(translated(an_error(sqlite3.SQLITE_FULL), PATH), StorageError)
    assert "This is a bug" in str(translated(ArgumentError("no"), PATH))


def test_the_newest_backup_is_the_one_to_restore(tmp_path: Path) -> None:
    path = tmp_path / "operator.db"
    for number, name in enumerate(("b", "a")):
        (tmp_path / f"operator.db.backup-{name}").touch()
        os.utime(tmp_path / f"operator.db.backup-{name}", (number, number))

    assert how_to_restore(path).endswith(f"and copy {tmp_path}/operator.db.backup-a to {path}")


def test_the_holder_of_the_write_lock_is_found(tmp_path: Path) -> None:
    path = tmp_path / "operator.db"
    shm = tmp_path / "operator.db-shm"
    shm.touch()
    inode = shm.stat().st_ino
    lines = [
        f"1: POSIX  ADVISORY  WRITE 4711 fe:01:{inode} 120 120",
        f"2: POSIX  ADVISORY  READ 4712 fe:01:{inode} 120 120",
        f"3: POSIX  ADVISORY  WRITE 4713 fe:01:{inode} 124 124",
        f"4: POSIX  ADVISORY  WRITE 4714 fe:01:{inode + 1} 120 120",
        f"5: POSIX  ADVISORY  WRITE 4715 fe:01:{inode} 0 EOF",
        "6: FLOCK  ADVISORY  WRITE",
        f"7: -> POSIX  ADVISORY  WRITE 4716 fe:01:{inode} 120 120",
    ]

    assert lock_holders(path, lines) == [4711, 4715]
    assert lock_holders(tmp_path / "other.db", lines) == []
