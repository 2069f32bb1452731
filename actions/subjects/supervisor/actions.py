"""Starting, stopping and restarting one process, with a look at those who depend on it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from actions.canonical import Json
from actions.errors import ActionFailedError, TargetUnavailableError
from actions.models import Fact, FailureOutcome, Risk
from actions.ports import Clock
from actions.printable import sentence
from actions.registry import ActionDefinition, Done, Happened, Parameters, Preview, Steps, Verdict, define
from actions.subjects.process import Dependent, Process, ProcessState
from actions.subjects.supervisor.client import START_WITHIN, SupervisorClient
from actions.subjects.transport import before_sending
from actions.subjects.verdicts import cautious, seen, told

ALIVE: Final = frozenset({ProcessState.RUNNING, ProcessState.STARTING, ProcessState.BACKOFF, ProcessState.STOPPING})
"""States in which there is a process, or soon will be, or still is."""
RESTLESS: Final = frozenset({ProcessState.STARTING, ProcessState.BACKOFF})
"""supervisord moves between these two by itself, with a new pid each time."""
ENDED: Final = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL})
KILL_TAKES: Final = 5.0
"""Seconds within which a killed process is gone, unless it hangs in the kernel."""
LOOK_EVERY: Final = 0.1


class ProcessParameters(Parameters):
    """Which one."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[^\s:*/]+(:[^\s:*/]+)?$",
            max_length=200,
            description="Process as supervisord lists it: name or group:name",
        ),
    ]


class ProcessActions:
    """The actions, over one supervisord."""

    def __init__(
        self, client: SupervisorClient, clock: Clock, dependents: Sequence[Dependent] = (), *, stop_within: float
    ) -> None:
        self._client = client
        self._clock = clock
        self._dependents = tuple(dependents)
        self._stop_within = stop_within
        # Two stops that are each harmless may together take a quorum away: the second looks when the first is done.
        self._stopping = asyncio.Lock()

    async def preview_start(self, parameters: ProcessParameters) -> Preview:
        """Pins the state, the pid and the time of the last start."""
        process = (await self._client.processes()).get(parameters.name)
        return _preview(process, parameters.name, _refusal_to_start(process))

    async def start_process(self, parameters: ProcessParameters, steps: Steps) -> Done:  # noqa: ARG002 - one call
        """Start a process that does not run.

        supervisord answers when it has stayed up for its starting time. A process that runs already stays as it is.
        """
        with before_sending():
            await self._require(parameters.name)
        if await self._client.start(parameters.name):
            return Done(detail=f"{parameters.name} was started and stayed up.")
        return Done(detail=f"{parameters.name} had been started already.")

    async def verify_start(self, parameters: ProcessParameters, before: Mapping[str, Json]) -> Verdict:
        """Yes if it runs since a newer start and those who depend on it are well; no if it has ended or never began."""
        process = (await self._client.processes()).get(parameters.name)
        if process is None:
            return told(None, Fact(label=parameters.name, value="is not known to supervisord any more"))
        facts = _facts(process)
        if process.state is not ProcessState.RUNNING:
            return told(False if process.state in ENDED else None, *facts)
        if not _is_newer(process, before):
            return told(False, *facts, Fact(label="Same process", value="as before"))
        healthy = await self._healthy(parameters.name)
        told_of = "not asked" if healthy is None else "well" if healthy else "not well yet"
        return told(None if healthy is False else True, *facts, Fact(label="What it serves", value=told_of))

    async def verify_restart(self, parameters: ProcessParameters, before: Mapping[str, Json]) -> Verdict:
        """As after a start; partly if the process ran before, and was ended without being started again."""
        verdict = await self.verify_start(parameters, before)
        ended = await self._is_down(parameters.name)
        if verdict.happened is Happened.NO and ended and before["state"] in ALIVE:
            return seen(Happened.PARTLY, *verdict.evidence)
        return verdict

    async def _is_down(self, name: str) -> bool:
        process = (await self._client.processes()).get(name)
        return process is not None and process.state in ENDED

    def undo_start(self, parameters: ProcessParameters, before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:  # noqa: ARG002 - the name is enough
        """Stop it again."""
        return "stop_process", {"name": parameters.name}

    async def preview_restart(self, parameters: ProcessParameters) -> Preview:
        """Pins the state, the pid and the time of the last start."""
        return await self._preview_stop(parameters.name)

    async def restart_process(self, parameters: ProcessParameters, steps: Steps) -> Done:
        """Stop a process and start it again.

        It is asked to end first, and killed if it has not ended in time: a paused process hears nothing else.
        Refused if those who depend on it could not do without it for that long.
        """
        name, done = parameters.name, list[str]()
        async with self._stopping:
            with before_sending():
                process = await self._require(name, to_stop=True)
            try:
                if process.state in ALIVE:
                    await self._stop(name, steps, done)
                async with steps(f"start {name}"):
                    await self._client.start(name)
            except ActionFailedError as error:
                raise _after(done, error) from error
        return Done(detail=sentence(f"{', '.join([*done, 'started again'])}: {name}."))

    async def preview_stop(self, parameters: ProcessParameters) -> Preview:
        """Pins the state, the pid and the time of the last start."""
        return await self._preview_stop(parameters.name)

    async def stop_process(self, parameters: ProcessParameters, steps: Steps) -> Done:
        """Stop a process, and leave it stopped.

        It is asked to end first, and killed if it has not ended in time. Refused if those who depend on it could not
        do without it.
        """
        done = list[str]()
        async with self._stopping:
            with before_sending():
                process = await self._require(parameters.name, to_stop=True)
            if process.state not in ALIVE:
                return Done(detail=f"{parameters.name} was not running.")
            try:
                await self._stop(parameters.name, steps, done)
            except ActionFailedError as error:
                raise _after(done, error) from error
        return Done(detail=sentence(f"{', '.join(done)}: {parameters.name}."))

    async def verify_stop(self, parameters: ProcessParameters, before: Mapping[str, Json]) -> Verdict:
        """Yes if it has ended; no if it is the same process as before."""
        process = (await self._client.processes()).get(parameters.name)
        if process is None:
            return told(None, Fact(label=parameters.name, value="is not known to supervisord any more"))
        if process.state in ENDED:
            return told(True, *_facts(process))
        same = process.state is ProcessState.RUNNING and not _is_newer(process, before)
        return told(False if same else None, *_facts(process))

    def undo_stop(self, parameters: ProcessParameters, before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:  # noqa: ARG002 - the name is enough
        """Start it again."""
        return "start_process", {"name": parameters.name}

    async def _preview_stop(self, name: str) -> Preview:
        process = (await self._client.processes()).get(name)
        return _preview(process, name, _refusal_to_end(process) or await self._refusal_of_dependents(name))

    async def _require(self, name: str, *, to_stop: bool = False) -> Process:
        process = (await self._client.processes()).get(name)
        if process is None:
            raise ActionFailedError(_unknown(name))
        refusal = await self._refusal_of_dependents(name) if to_stop and process.state in ALIVE else None
        if refusal is not None:
            raise ActionFailedError(refusal)
        return process

    async def _refusal_of_dependents(self, name: str) -> str | None:
        for dependent in self._dependents:
            refusal = await dependent.refusal_to_stop(name)
            if refusal is not None:
                return refusal
        return None

    async def _healthy(self, name: str) -> bool | None:
        answers = [await dependent.healthy(name) for dependent in self._dependents]
        concerned = [answer for answer in answers if answer is not None]
        return all(concerned) if concerned else None

    async def _stop(self, name: str, steps: Steps, done: list[str]) -> None:
        async with steps(f"stop {name}"):
            await self._client.stop(name)
        done.append("asked to end")
        if not await self._has_ended(name, within=self._stop_within):
            async with steps(f"kill {name}"):
                await self._client.kill(name)
            done.append("killed")
            if not await self._has_ended(name, within=KILL_TAKES):
                raise ActionFailedError("It is still there; it may hang in the kernel, waiting for a disk.")
        done.append("ended")

    async def _has_ended(self, name: str, *, within: float) -> bool:
        deadline = self._clock.monotonic() + within
        while True:
            process = (await self._client.processes()).get(name)
            if process is None:
                raise TargetUnavailableError(_unknown(name))
            if process.state not in ALIVE or self._clock.monotonic() >= deadline:
                return process.state not in ALIVE
            await self._clock.sleep(LOOK_EVERY)


def process_actions(subject: str, actions: ProcessActions, stop_within: float) -> tuple[ActionDefinition[Any], ...]:
    """Return the definitions for one supervisord."""
    stopping = stop_within + KILL_TAKES + 10.0
    return (
        define(
            subject=subject,
            execute=actions.start_process,
            preview=actions.preview_start,
            verify=cautious(actions.verify_start),
            undo=actions.undo_start,
            target=_process_name,
            risk=Risk.LOW,
            timeout=START_WITHIN + 10.0,
        ),
        define(
            subject=subject,
            execute=actions.restart_process,
            preview=actions.preview_restart,
            verify=cautious(actions.verify_restart),
            target=_process_name,
            risk=Risk.MEDIUM,
            timeout=stopping + START_WITHIN,
        ),
        define(
            subject=subject,
            execute=actions.stop_process,
            preview=actions.preview_stop,
            verify=cautious(actions.verify_stop),
            undo=actions.undo_stop,
            target=_process_name,
            risk=Risk.HIGH,
            timeout=stopping,
        ),
    )


def _process_name(parameters: ProcessParameters) -> str:
    return parameters.name


def _preview(process: Process | None, name: str, refusal: str | None) -> Preview:
    if process is None:
        return Preview(impact=(), pins={"state": None}, refusal=_unknown(name))
    return Preview(
        impact=_facts(process),
        pins=_pins(process),
        before={"state": process.state.value, "pid": process.pid, "started_at": process.started_at},
        refusal=refusal,
    )


def _pins(process: Process) -> Mapping[str, Json]:
    if process.state in RESTLESS:
        return {"state": "starting, or failing to"}
    return {"state": process.state.value, "pid": process.pid, "started_at": process.started_at}


def _is_newer(process: Process, before: Mapping[str, Json]) -> bool:
    return (process.pid, process.started_at) != (before.get("pid"), before.get("started_at"))


def _refusal_to_start(process: Process | None) -> str | None:
    if process is None or process.state in ENDED:
        return None
    if process.state in RESTLESS:
        return f"supervisord is starting {process.name} already; wait for it."
    return f"{process.name} is {process.state.value}; there is nothing to start."


def _refusal_to_end(process: Process | None) -> str | None:
    if process is None or process.state in ALIVE:
        return None
    return f"{process.name} is {process.state.value}, so there is nothing to stop; it can be started."


def _unknown(name: str) -> str:
    return f"supervisord has no process {name}."


def _facts(process: Process) -> tuple[Fact, ...]:
    return (
        Fact(label="State", value=process.state.value),
        Fact(label="Pid", value=str(process.pid) if process.pid else "none"),
        Fact(label="Last start", value=_time(process.started_at)),
        Fact(label="Last end", value=_time(process.stopped_at)),
    )


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else "never"


def _after(done: Sequence[str], error: ActionFailedError) -> ActionFailedError:
    if not done:
        return error
    return ActionFailedError(f"{error} Before that it was {', '.join(done)}.", FailureOutcome.PARTIAL)
