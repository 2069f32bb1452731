"""supervisord's XML-RPC interface over HTTP, typed. Its refusals come as faults with HTTP 200."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final
from xml.parsers.expat import ExpatError
from xmlrpc import client as xmlrpc

import httpx
from pydantic import ValidationError

from actions.errors import ActionFailedError, OperatorError, TargetUnavailableError
from actions.models import FailureOutcome
from actions.printable import printable, printable_lines
from actions.subjects.process import Process, ProcessState
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.transport import KIB, Call, Deadlines, OutcomeUnknownError, RefusedError, Reply, Transport

LIST_LIMIT: Final = 1024 * KIB
START_WITHIN: Final = 25.0
"""Seconds; supervisord answers when the process has stayed up for its `startsecs`."""
TAIL_BYTES: Final = 2 * KIB


class Fault(IntEnum):
    """supervisord's fault codes."""

    UNKNOWN_METHOD = 1
    INCORRECT_PARAMETERS = 2
    BAD_ARGUMENTS = 3
    SHUTDOWN_STATE = 6
    BAD_NAME = 10
    BAD_SIGNAL = 11
    NO_FILE = 20
    NOT_EXECUTABLE = 21
    FAILED = 30
    ABNORMAL_TERMINATION = 40
    SPAWN_ERROR = 50
    ALREADY_STARTED = 60
    NOT_RUNNING = 70


_STARTED_IN_VAIN: Final = frozenset({Fault.ABNORMAL_TERMINATION, Fault.SPAWN_ERROR})
"""The process was started and is not up; supervisord may go on trying."""
_LEFT_OPEN: Final = frozenset({Fault.FAILED})
_NO_CONTROLS: Final = bytes(ord("?") if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))
"""supervisord passes on what stands in a log; XML must not have most control characters."""


class FaultError(RefusedError):
    """supervisord turned a write down and did nothing."""

    def __init__(self, endpoint: str, fault: xmlrpc.Fault) -> None:
        super().__init__(endpoint, fault.faultString)
        self.code = fault.faultCode


class SupervisorClient:
    """Speaks to one supervisord. Also a `ProcessSource` for the subjects whose processes it runs."""

    def __init__(self, url: str, transport: Transport) -> None:
        self._url = url
        self._transport = transport

    async def processes(self) -> Mapping[str, Process]:
        """See `ProcessSource.processes`."""
        listed = await self._read("supervisor.getAllProcessInfo", limit=LIST_LIMIT)
        try:
            found = [_process(info) for info in _list(listed)]
        except (LookupError, TypeError, ValueError, ValidationError) as error:
            raise TargetUnavailableError(f"{self._url} listed its processes in an unknown form: {error!r}.") from None
        return {process.name: process for process in found}

    async def stderr_tail(self, name: str) -> str:
        """Read the end of a process's error log, made printable; empty if it has none."""
        try:
            text, _offset, _overflow = await self._read("supervisor.tailProcessStderrLog", name, 0, TAIL_BYTES)
        except (TargetUnavailableError, TypeError, ValueError):
            return ""  # without a log, or with one that cannot be read, the diagnosis says less and is not wrong
        return "\n".join(printable_lines(str(text).strip()))

    async def start(self, name: str) -> bool:
        """Start a process and wait until it counts as running; False if it was started already.

        Raises:
            ActionFailedError: *partial* if it was started and is not up; *no effect* if it could not be tried.
            OutcomeUnknownError: it may have been started.
        """
        return await self._write(Fault.ALREADY_STARTED, "supervisor.startProcess", name, True, within=START_WITHIN)

    async def stop(self, name: str) -> bool:
        """Ask a process to end, without waiting until it has; False if it was not running. Raises as `start` does."""
        return await self._write(Fault.NOT_RUNNING, "supervisor.stopProcess", name, False, within=5.0)

    async def kill(self, name: str) -> bool:
        """Send SIGKILL, which a paused process gets too; False if it was not running. Raises as `start` does."""
        return await self._write(Fault.NOT_RUNNING, "supervisor.signalProcess", name, "KILL", within=5.0)

    async def close(self) -> None:
        """Close connections."""
        await self._transport.close()

    async def _read(self, method: str, *arguments: str | int, limit: int = 64 * KIB) -> Any:
        reply = await self._transport.read([self._url], _call(method, arguments, Deadlines(), limit))
        if reply.status != httpx.codes.OK:
            raise TargetUnavailableError(f"{self._url} answered {reply.status}: {_refused(reply)}.")
        try:
            return _value(reply)
        except xmlrpc.Fault as fault:
            raise TargetUnavailableError(f"{self._url} answered: {printable(fault.faultString)}.") from None
        except _UnreadableError as error:
            raise TargetUnavailableError(f"{self._url} answered what supervisord would not: {error}.") from None

    async def _write(self, as_wished: Fault, method: str, *arguments: str | bool, within: float) -> bool:
        call = _call(method, arguments, Deadlines.answering_within(within))
        reply = await self._transport.write(self._url, call)
        reply.require_success()
        try:
            value = _value(reply)
        except xmlrpc.Fault as fault:
            if fault.faultCode == as_wished:
                return False
            raise _failure(self._url, fault) from None
        except _UnreadableError as error:
            raise OutcomeUnknownError(self._url, f"it answered what supervisord would not: {error}") from None
        if value is not True:
            raise OutcomeUnknownError(self._url, f"it answered {printable(repr(value), 80)} instead of yes")
        return True


def connect(
    config: SupervisorConfig, environ: Mapping[str, str], over: httpx.AsyncBaseTransport | None = None
) -> SupervisorClient:
    """Return a client for the configured supervisord. Raises `ConfigurationError` if its password is not set."""
    return SupervisorClient(config.url, Transport(auth=config.auth(environ), tls=config.tls, over=over))


class _UnreadableError(Exception):
    """The answer is no XML-RPC, or not one that is let in."""


def _call(method: str, arguments: tuple[str | int, ...], deadlines: Deadlines, limit: int = 64 * KIB) -> Call:
    body = xmlrpc.dumps(arguments, methodname=method, encoding="utf-8").encode()
    return Call(path="/RPC2", body=body, content_type="text/xml", deadlines=deadlines, limit=limit)


def _value(reply: Reply) -> Any:
    # XML-RPC has no declarations; with them, a few bytes could be made to stand for gigabytes.
    if b"<!" in reply.body or b"\0" in reply.body:
        raise _UnreadableError("it declares things of its own")
    try:
        (value,), _method = xmlrpc.loads(reply.body.translate(_NO_CONTROLS), use_builtin_types=True)
    except xmlrpc.Fault:
        raise
    except (ExpatError, xmlrpc.Error, LookupError, TypeError, ValueError) as error:
        raise _UnreadableError(printable(f"{type(error).__name__}: {error}", 120)) from None
    return value


def _failure(endpoint: str, fault: xmlrpc.Fault) -> OperatorError:
    words = printable(fault.faultString)
    if fault.faultCode in _STARTED_IN_VAIN:
        return ActionFailedError(f"It was started and did not stay up ({words}).", FailureOutcome.PARTIAL)
    if fault.faultCode in _LEFT_OPEN or fault.faultCode not in frozenset(Fault):
        return OutcomeUnknownError(endpoint, f"it answered with fault {fault.faultCode}: {words}")
    return FaultError(endpoint, fault)


def _refused(reply: Reply) -> str:
    if reply.status == httpx.codes.UNAUTHORIZED:
        return "user or password are not accepted"
    return reply.words


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _process(info: Mapping[str, Any]) -> Process:
    name, group = printable(str(info["name"]), 200), printable(str(info["group"]), 200)
    return Process(
        name=name if name == group else f"{group}:{name}",
        state=_state(str(info["statename"])),
        pid=info["pid"],
        started_at=info["start"],
        stopped_at=info["stop"],
        exit_status=info["exitstatus"],
        spawn_error=printable(str(info["spawnerr"])),
    )


def _state(name: str) -> ProcessState:
    return ProcessState(name) if name in frozenset(ProcessState) else ProcessState.UNKNOWN
