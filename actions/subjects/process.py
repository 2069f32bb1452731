"""Processes under some supervisor, as other subjects see them, and those who depend on them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict


class ProcessState(StrEnum):
    """What a supervisor says of a process. RUNNING says nothing of whether it does its work."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


class Process(BaseModel):
    """One process at one moment. Times are Unix seconds, 0 where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As it is addressed: `name`, or `group:name`."""
    state: ProcessState
    pid: int = 0
    started_at: int = 0
    stopped_at: int = 0
    exit_status: int = 0
    """The exit code; -1 if a signal ended it."""
    spawn_error: str = ""


class ProcessSource(Protocol):
    """Where the states of processes are read."""

    async def processes(self) -> Mapping[str, Process]:
        """Return all processes by name. Raises `TargetUnavailableError`."""
        ...


class Dependent(Protocol):
    """A system that some processes belong to; asked before one of them is stopped."""

    async def refusal_to_stop(self, process: str) -> str | None:
        """Return why *process* must not be stopped now, as a sentence; None if it may, or is none of its own."""
        ...

    async def healthy(self, process: str) -> bool | None:
        """Return whether the part that *process* runs does its work; None if it is none of its own."""
        ...
