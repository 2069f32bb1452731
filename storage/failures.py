"""What went wrong in the database, as a sentence for the person who has to mend it."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from actions.errors import StorageError

NOTHING: Final = "nothing was recorded"
_LOCKS: Final = Path("/proc/locks")
_WAL_WRITE_LOCK: Final = 120
"""The byte of the -shm file that the one writer of a database in WAL mode locks."""


def translated(error: BaseException, path: Path) -> BaseException:
    """Return what the caller should see: a `StorageError` for the database's own errors, all others as they are."""
    match error:
        case DBAPIError(orig=sqlite3.Error() as original):
            return storage_error(original, path)
        case sqlite3.Error():
            return storage_error(error, path)
        case StatementError(orig=Exception() as original):
            # A value that its column cannot hold: the caller's mistake, not the database's.
            return original
        case SQLAlchemyError():
            return StorageError(f"The database {path} refused a statement ({error}); {NOTHING}. This is a bug.")
        case _:
            return error


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """Return the sentence for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = f"is locked by {_holder(path)}; {NOTHING}. Try again; if it stays locked, end that process"
        case sqlite3.SQLITE_FULL:
            text = f"cannot grow, the disk is full; {NOTHING}. Free some space on it, then try again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            text = (
                f"is read-only; {NOTHING}. Check who owns the file and whether its disk is mounted read-only, "
                "then start operator again"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            text = f"is damaged, or no database at all ({error}); {NOTHING}. {how_to_restore(path)}"
        case sqlite3.SQLITE_IOERR:
            text = (
                # What a failed sync left in the journal may have reached the disk, and counts once it is opened anew.
                f"could not be read or written, its disk reports an error ({_name(error)}); whether anything was "
                "recorded shows at the next start. Look at the system's log (dmesg), mend the disk, then start "
                "operator again"
            )
        case sqlite3.SQLITE_CANTOPEN:
            text = f"cannot be opened; {NOTHING}. Check that the file and its folder exist and are yours"
        case sqlite3.SQLITE_CONSTRAINT:
            text = f"refused a row that breaks one of its own rules ({error}); {NOTHING}. This is a bug"
        case _:
            text = f"does not have the shape that this version of operator expects ({error}); {NOTHING}"
    return StorageError(f"The database {path} {text}.")


def is_disk_error(error: BaseException) -> bool:
    """Return whether the disk itself failed, after which no later success can be trusted."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return (
        isinstance(original, sqlite3.Error) and getattr(original, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
    )


def how_to_restore(path: Path) -> str:
    """Return the instruction to put the newest backup in place, or that there is none."""
    backups = sorted(path.parent.glob(f"{path.name}.backup-*"), key=lambda backup: backup.stat().st_mtime)
    if not backups:
        return f"There is no backup beside it; restore one of your own to {path} while operator is stopped"
    return (
        f"Stop operator, move {path.name}, {path.name}-wal and {path.name}-shm away, and copy {backups[-1]} to {path}"
    )


def lock_holders(path: Path, locks: Iterable[str]) -> list[int]:
    """Return the processes that hold the write lock of the database, from the lines of /proc/locks."""
    try:
        inode = Path(f"{path}-shm").stat().st_ino
    except OSError:
        return []
    return [pid for line in locks if (pid := _writer(line, inode)) is not None and pid != os.getpid()]


def _writer(line: str, inode: int) -> int | None:
    # "7: POSIX  ADVISORY  WRITE 4711 fe:01:1234567 120 120"
    words = line.split()
    if len(words) != 8 or words[3] != "WRITE" or words[5].rpartition(":")[2] != str(inode):
        return None
    first, last = int(words[6]), (float("inf") if words[7] == "EOF" else int(words[7]))
    return int(words[4]) if first <= _WAL_WRITE_LOCK <= last else None


def _holder(path: Path) -> str:
    try:
        holders = lock_holders(path, _LOCKS.read_text().splitlines())
    except OSError:
        holders = []
    if not holders:
        return "another connection"
    return " and ".join(f"process {pid}{_command(pid)}" for pid in holders)


def _command(pid: int) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return ""


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", "SQLITE_IOERR"))
