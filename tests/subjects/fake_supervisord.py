"""A supervisord in memory that answers as the real one does, with processes that end when the test says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xmlrpc import client as xmlrpc

import httpx

from actions.subjects.process import Process, ProcessState
from actions.subjects.supervisor.client import SupervisorClient
from actions.subjects.transport import Transport
from tests.subjects.recorded import response

URL = "http://127.0.0.1:9001"
ENDED = (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL)


@dataclass
class FakeSupervisord:
    """Holds processes by name; those in *deaf* do not end when asked, those in *immortal* not even when killed."""

    processes: dict[str, Process]
    deaf: frozenset[str] = frozenset()
    immortal: frozenset[str] = frozenset()
    start_fault: int | None = None
    logs: Mapping[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def client(self) -> SupervisorClient:
        return SupervisorClient(URL, Transport(over=httpx.MockTransport(self._answer)))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        arguments, method = xmlrpc.loads(request.content)
        name = str(method).removeprefix("supervisor.")
        self.calls.append(" ".join([name, *(str(argument) for argument in arguments)]))
        try:
            said = xmlrpc.dumps((getattr(self, f"do_{name}")(*arguments),), methodresponse=True)
        except xmlrpc.Fault as fault:
            said = xmlrpc.dumps(fault, methodresponse=True)
        return response(200, said)

    def do_getAllProcessInfo(self) -> list[dict[str, Any]]:  # noqa: N802 - the name on the wire
        return [_info(process) for process in self.processes.values()]

    def do_startProcess(self, name: str, _wait: bool) -> bool:  # noqa: N802 - the name on the wire
        process = self._known(name)
        if process.state not in ENDED:
            raise xmlrpc.Fault(60, f"ALREADY_STARTED: {name}")
        if self.start_fault is not None:
            raise xmlrpc.Fault(self.start_fault, f"fault: {name}")
        self._become(name, state=ProcessState.RUNNING, pid=process.pid + 1, started_at=process.started_at + 60)
        return True

    def do_stopProcess(self, name: str, _wait: bool) -> bool:  # noqa: N802 - the name on the wire
        if self._known(name).state in ENDED:
            raise xmlrpc.Fault(70, f"NOT_RUNNING: {name}")
        stuck = name in self.deaf | self.immortal
        self._become(name, state=ProcessState.STOPPING if stuck else ProcessState.STOPPED)
        return True

    def do_signalProcess(self, name: str, sent: str) -> bool:  # noqa: N802 - the name on the wire
        if self._known(name).state in ENDED:
            raise xmlrpc.Fault(70, f"NOT_RUNNING: {name}")
        if sent == "KILL" and name not in self.immortal:
            self._become(name, state=ProcessState.STOPPED)
        return True

    def do_tailProcessStderrLog(self, name: str, _offset: int, _length: int) -> list[Any]:  # noqa: N802 - the name on the wire
        if name not in self.logs:
            raise xmlrpc.Fault(20, f"NO_FILE: {name}")
        return [self.logs[name], 0, False]

    def _known(self, name: str) -> Process:
        if name not in self.processes:
            raise xmlrpc.Fault(10, f"BAD_NAME: {name}")
        return self.processes[name]

    def _become(self, name: str, **changes: Any) -> None:
        self.processes[name] = self.processes[name].model_copy(update=changes)


def _info(process: Process) -> dict[str, Any]:
    group, _, name = process.name.rpartition(":")
    return {
        "name": name,
        "group": group or name,
        "statename": process.state.value,
        "pid": process.pid,
        "start": process.started_at,
        "stop": process.stopped_at,
        "exitstatus": process.exit_status,
        "spawnerr": process.spawn_error,
    }
