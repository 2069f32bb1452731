"""The machine underneath: clock, randomness, the key behind the buttons, and which process is which."""

import asyncio
import gc
import hmac
import os
import secrets
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from actions.errors import ConfigurationError

_KEY_BYTES: Final = 32


def keep_what_is_loaded() -> None:
    """Spare the garbage collector looking at what exists now: modules and the like, which live as long as the process.

    Called once a process has loaded what it needs; its changes of many rows then cost about a tenth less.
    """
    gc.freeze()


class SystemClock:
    """`actions.ports.Clock` of this machine."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


class SystemEntropy:
    """`actions.ports.Entropy` of this machine."""

    def token(self) -> str:
        """See `Entropy.token`."""
        return secrets.token_hex(16)


class ButtonKey:
    """`actions.ports.ButtonTokens`: HMAC-SHA256 under a key that lies beside the database, not in it.

    A copy of the database alone is therefore not enough to make a button that is accepted.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def kept_in(cls, state_dir: Path) -> "ButtonKey":
        """Read `button.key` of *state_dir*, making it (32 random bytes, mode 0600) if it is missing.

        Raises:
            ConfigurationError: it cannot be made or read, is damaged, or is readable by others.
        """
        path = state_dir / "button.key"
        try:
            if not path.exists():
                _make_key(path)
            return cls(_read_key(path))
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be made or read ({error.strerror}). Look who owns it, or set another state_dir."
            ) from error

    def token_for(self, proposal_token: str) -> str:
        """See `ButtonTokens.token_for`."""
        return hmac.digest(self._key, proposal_token.encode(), "sha256")[:16].hex()


def _make_key(path: Path) -> None:
    # Written whole under another name first: neither a crash nor another process ever meets half a key.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _read_key(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is readable by others. Run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(f"{path} is damaged. Remove it and start again; cards that are open get new buttons.")
    return key


def process_owner() -> str:
    """Return a name for this process that no other ever has: host, process id and random bits."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def is_dead(owner: str, *, me: str) -> bool:
    """Return whether *owner* is known to be gone: a process of this host that does not exist any more.

    False where it cannot be known (another host); then the lease decides.
    """
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if owner == me or host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True  # our own number, but not our name: a predecessor, as in a restarted container
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
