"""What most commands need and no more: the database, what holds this host back, the witness file.

`operator actions kill-switch` and every command that only reads begin here, so nothing of Slack, HTTP or the subjects
is imported: loading those takes longer than anything such a command does.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from actions.auditor import ActionAuditor
from actions.limits import Limits
from actions.models import EVERYTHING, Checkpoint, SafetyMode
from actions.policy import ConfiguredPolicy
from actions.ports import Directory, KillFiles, Publisher, Store
from actions.safety import SafetyController
from bot.settings import Settings
from bot.system import SystemClock, SystemEntropy
from bot.windows import ConfiguredCalendar
from storage.audit_verify import Verification, verify
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from storage.witness import Testimony, WitnessFile, read_testimony


class Ceiling:
    """`KillFiles` of a configuration that says observe: it holds this host back, whatever is stored."""

    NAME = 'mode_ceiling = "observe" in the configuration'

    def __init__(self, files: KillFiles) -> None:
        self._files = files

    def drop(self, scope: str = EVERYTHING) -> str:
        """See `KillFiles.drop`."""
        return self._files.drop(scope)

    def present(self, scope: str | None = None) -> Sequence[str]:
        """See `KillFiles.present`."""
        return [self.NAME, *self._files.present(scope)]

    def remove(self, names: Collection[str]) -> None:
        """See `KillFiles.remove`."""
        self._files.remove([name for name in names if name != self.NAME])


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """Open the database alone, for commands that only read."""
    store = await asyncio.to_thread(SqlStore.open, settings.database, clock=SystemClock())
    try:
        yield store
    finally:
        await store.close()


def build_policy(settings: Settings) -> ConfiguredPolicy:
    """Return the policy that the settings describe."""
    return ConfiguredPolicy(settings.allowed())


def build_limits(settings: Settings) -> Limits:
    """Return how much the settings allow."""
    most = settings.limits
    return Limits(
        actions_per_hour=most.actions_per_hour,
        proposals_per_hour=most.proposals_per_hour,
        open_cards=most.open_cards,
        failures_in_a_row=most.failures_in_a_row,
    )


def build_calendar(settings: Settings) -> ConfiguredCalendar:
    """Return the freezes and maintenance windows that the settings describe."""
    return ConfiguredCalendar(
        freezes=tuple(one.window for one in settings.freezes),
        maintenance=tuple(one.window for one in settings.maintenance),
    )


def build_kill_files(settings: Settings) -> KillFiles:
    """Return what can hold this host back: the kill files, and a configuration that says observe."""
    files = DirectoryKillFiles(settings.state_dir, entropy=SystemEntropy())
    return Ceiling(files) if settings.mode_ceiling is SafetyMode.OBSERVE else files


def build_auditor(settings: Settings, store: Store) -> ActionAuditor:
    """Return the auditor over *store*, with this host's witness file."""
    return ActionAuditor(store=store, witness=WitnessFile(witness_path(settings)), clock=SystemClock())


def build_safety(
    settings: Settings,
    store: Store,
    *,
    directory: Directory,
    publisher: Publisher,
    subjects: Collection[str] | None = None,
) -> SafetyController:
    """Return the controller of the mode; it needs the names of the subjects, by default those configured, no more."""
    return SafetyController(
        store=store,
        kill_files=build_kill_files(settings),
        policy=build_policy(settings),
        directory=directory,
        auditor=build_auditor(settings, store),
        clock=SystemClock(),
        publisher=publisher,
        subjects=settings.subjects.keys() if subjects is None else subjects,
        lift_people=settings.limits.lift_people,
    )


async def verify_audit(settings: Settings, checkpoints: Sequence[Checkpoint]) -> Verification:
    """Recompute the audit log and compare it with the tables and with what witnesses kept."""
    return await asyncio.to_thread(verify, settings.database, checkpoints)


def read_witness(path: Path) -> Testimony:
    """Return what a witness file, or any text with its lines (an export of the channel), says. Raises `OSError`."""
    return read_testimony(path.read_text(encoding="utf-8", errors="replace"))


def witness_path(settings: Settings) -> Path:
    """Return where this host's own witness file lies."""
    return settings.state_dir / "witness.log"
