"""The composition root: builds everything from the settings. Storage is built here and in `bot.reach` alone."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from actions.agent.intake import Intake
from actions.auditor import ActionAuditor
from actions.errors import ConfigurationError
from actions.executor import ActionExecutor, Timing
from actions.policy import ConfiguredPolicy
from actions.ports import Clock, Directory, KillFiles, Publisher, Store
from actions.reconcile import Reconciler
from actions.registry import ActionRegistry
from actions.reminders import Reminders
from actions.safety import SafetyController, introduce
from actions.subject import Subject
from actions.sweeper import Sweeper
from bot.local_directory import LocalDirectory
from bot.reach import build_auditor, build_calendar, build_kill_files, build_limits, build_policy, build_safety
from bot.settings import Settings
from bot.signals import Signals
from bot.subjects import build_subjects
from bot.system import ButtonKey, SystemClock, SystemEntropy, process_owner
from storage.folders import make_folder
from storage.store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that entry points act on."""

    settings: Settings
    clock: Clock
    store: Store
    registry: ActionRegistry
    subjects: Mapping[str, Subject]
    policy: ConfiguredPolicy
    directory: Directory
    executor: ActionExecutor
    safety: SafetyController
    sweeper: Sweeper
    reminders: Reminders
    reconciler: Reconciler
    intake: Intake
    auditor: ActionAuditor
    kill_files: KillFiles
    buttons: ButtonKey
    publisher: Publisher
    owner: str


@asynccontextmanager
async def opened(
    settings: Settings, *, publisher: Publisher | None = None, directory: Directory | None = None
) -> AsyncIterator[Parts]:
    """Open the database, migrating it if needed, and build everything over it.

    A *publisher* hears of what other processes commit as well.

    Raises:
        ConfigurationError, StorageError
    """
    clock = SystemClock()
    await asyncio.to_thread(prepare_state_dir, settings.state_dir)
    store = await asyncio.to_thread(SqlStore.open, settings.database, clock=clock, check=True)
    try:
        subjects = build_subjects(
            {name: {"kind": section.kind, **section.options} for name, section in settings.subjects.items()},
            clock=clock,
            environ=os.environ,
        )
        try:
            async with nullcontext() if publisher is None else store.telling(publisher):
                yield await assembled(
                    settings,
                    store=store,
                    subjects=subjects,
                    clock=clock,
                    publisher=publisher or Signals(),
                    directory=directory or LocalDirectory(),
                )
        finally:
            for subject in subjects.values():
                await subject.close()
    finally:
        await store.close()


async def assembled(
    settings: Settings,
    *,
    store: Store,
    subjects: Mapping[str, Subject],
    clock: Clock,
    publisher: Publisher,
    directory: Directory,
) -> Parts:
    """Build everything over an open store and built subjects, and make the subjects known to the store.

    Raises:
        ConfigurationError, StorageError
    """
    for name in subjects:
        await store.write(introduce(name, clock))
    owner = process_owner()
    registry = ActionRegistry(action for subject in subjects.values() for action in subject.actions)
    policy = build_policy(settings)
    kill_files = build_kill_files(settings)
    buttons = await asyncio.to_thread(ButtonKey.kept_in, settings.state_dir)
    executor = ActionExecutor(
        store=store,
        registry=registry,
        policy=policy,
        directory=directory,
        kill_files=kill_files,
        clock=clock,
        entropy=SystemEntropy(),
        button_tokens=buttons,
        publisher=publisher,
        owner=owner,
        timing=_timing(settings),
        calendar=build_calendar(settings),
        limits=build_limits(settings),
    )
    auditor = build_auditor(settings, store)
    safety = build_safety(settings, store, directory=directory, publisher=publisher, subjects=subjects.keys())
    return Parts(
        settings=settings,
        clock=clock,
        store=store,
        registry=registry,
        subjects=subjects,
        policy=policy,
        directory=directory,
        executor=executor,
        safety=safety,
        sweeper=Sweeper(store=store, safety=safety, executor=executor, clock=clock, publisher=publisher),
        reminders=Reminders(
            store=store,
            policy=policy,
            directory=directory,
            kill_files=kill_files,
            clock=clock,
            publisher=publisher,
            schedule=settings.reminders.schedule,
            successors=executor.attempts.successors,
            read_again=executor.preview_proposal,
        ),
        reconciler=Reconciler(
            store=store,
            attempts=executor.attempts,
            registry=registry,
            clock=clock,
            publisher=publisher,
        ),
        intake=Intake(
            store=store,
            registry=registry,
            subjects=tuple(subjects),
            kill_files=kill_files,
            clock=clock,
            publisher=publisher,
            executor=executor,
        ),
        auditor=auditor,
        kill_files=kill_files,
        buttons=buttons,
        publisher=publisher,
        owner=owner,
    )


def prepare_state_dir(path: Path) -> None:
    """Make the directory with mode 0700, or refuse one that others can enter. Raises `ConfigurationError`."""
    try:
        make_folder(path)
    except OSError as error:
        raise ConfigurationError(f"state_dir {path} cannot be made ({error.strerror}). Set another one.") from error
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"state_dir {path} can be entered by others. Run: chmod 700 {path}")


def _timing(settings: Settings) -> Timing:
    return Timing(
        proposal_lifetime=settings.lifetimes(),
        approval_lifetime=settings.limits.approval_lifetime,
        lease=settings.limits.lease,
        reminders=settings.reminders.schedule,
        abort_window=settings.approval.high.abort_window,
        undo_window=settings.limits.undo_window,
    )
