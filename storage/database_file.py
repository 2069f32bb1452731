"""The database as a file: where it is, who may read it, and whether it is still the one that was opened."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from actions.errors import ConfigurationError, StorageError
from storage.failures import NOTHING
from storage.folders import make_folder, sync_folder

OURS_ALONE: Final = 0o600
_OTHERS: Final = 0o077
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "lustre", "glusterfs"}
    | {"fuse.glusterfs", "fuse.sshfs"}
)


class DatabaseFile:
    """One SQLite file and its companions `-wal` and `-shm`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._opened_as: tuple[int, int] | None = None

    @classmethod
    def of(cls, url: str) -> "DatabaseFile":
        """Return the file that *url* (`sqlite:///relative.db` or `sqlite:////absolute.db`) names.

        Raises:
            ConfigurationError: it names anything else.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigurationError(f"`database` is not a URL: {url!r}. Use sqlite:///operator.db.") from None
        if parsed.get_backend_name() != "sqlite":
            raise ConfigurationError(
                f"`database` names {parsed.get_backend_name()}, which this version cannot use. "
                "Use sqlite:///operator.db or sqlite:////absolute/path.db."
            )
        if parsed.database in {None, "", ":memory:"} or parsed.query:
            raise ConfigurationError(
                f"`database` must name a file and nothing more, not {url!r}: what is not on disk is lost. "
                "Use sqlite:///operator.db or sqlite:////absolute/path.db."
            )
        return cls(Path(str(parsed.database)))

    def prepare(self) -> None:
        """Create the file (0600) and its folder (0700) where they are missing, and refuse what is not safe.

        Raises:
            ConfigurationError: others can read or own it, it is read-only, or it lies on a network file system.
            StorageError: it cannot be created.
        """
        try:
            make_folder(self.path.parent)
            refuse_network(self.path, _mounts())
            self._create()
        except OSError as error:
            raise StorageError(
                f"The database {self.path} cannot be created ({error.strerror}). "
                "Choose another `database`, or give yourself the right to write there."
            ) from error
        for name in (self.path, self.companion("-wal"), self.companion("-shm")):
            _require_ours_alone(name)

    def companion(self, suffix: str) -> Path:
        """Return the file beside it."""
        return self.path.with_name(self.path.name + suffix)

    def sync_names(self) -> None:
        """Return once the file and its companions, as they are now, would be found after a power cut.

        Raises:
            StorageError: the disk does not say so.
        """
        try:
            sync_folder(self.path.parent)
        except OSError as error:
            raise StorageError(
                f"The folder {self.path.parent} of the database cannot be synced ({error.strerror}), so a power cut "
                "could take the newest changes with it; nothing runs. Look at the system's log (dmesg), mend the disk, "
                "then start operator again."
            ) from error

    def pin(self) -> None:
        """Remember which file stands here now."""
        self._opened_as = self._identity()

    def require_pinned(self) -> None:
        """Raise `StorageError` if another file, or none, stands here now."""
        if self._identity() != self._opened_as:
            raise StorageError(
                f"The database {self.path} was deleted or replaced while it was open; {NOTHING}. "
                "Put the right file in its place and start operator again."
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _create(self) -> None:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OURS_ALONE))


def refuse_network(path: Path, mounts: Iterable[str]) -> None:
    """Raise `ConfigurationError` if *path* is on a network file system, given the lines of /proc/self/mountinfo."""
    kind = _file_system(path, mounts)
    if kind in _NETWORK:
        raise ConfigurationError(
            f"The database {path} lies on a network file system ({kind}), where SQLite's locks and "
            "durability do not hold. Set `database` to a file on a local disk."
        )


def _file_system(path: Path, mounts: Iterable[str]) -> str:
    # "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw": the mount point, then its kind behind the dash.
    best, kind = Path("/"), ""
    for line in mounts:
        words = line.split()
        point = Path(words[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, words[words.index("-") + 1]
    return kind


def _mounts() -> list[str]:
    try:
        return _MOUNTS.read_text().splitlines()
    except FileNotFoundError:
        return []  # not Linux; then only the settings asserted on connecting speak


def _require_ours_alone(path: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path} is not a file. Set `database` to the file that operator may use.")
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{path} belongs to user {found.st_uid}, and this is user {os.geteuid()}. Run operator as its owner."
        )
    if mode & _OTHERS:
        raise ConfigurationError(
            f"{path} can be opened by other users of this machine (mode {mode:04o}). Run: chmod 600 {path}"
        )
    if not mode & stat.S_IWUSR:
        raise ConfigurationError(f"{path} is read-only (mode {mode:04o}). Run: chmod 600 {path}")
