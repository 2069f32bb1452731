"""The calls of etcd's JSON gateway that the operator makes, typed.

The gateway writes 64-bit integers as decimal strings and leaves out zero, false and empty. Errors are judged by their
gRPC code and message: the HTTP status of one and the same error differs between etcd's versions.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actions.errors import OperatorError, TargetUnavailableError
from actions.printable import printable
from actions.subjects.transport import (
    KIB,
    Call,
    Deadlines,
    OutcomeUnknownError,
    RefusedError,
    Reply,
    Transport,
    before_sending,
)

METRICS_LIMIT: Final = 4096 * KIB
DEFRAGMENT_WITHIN: Final = 100.0
"""Seconds; a member rewrites its whole database and answers nothing meanwhile."""
COMPACT_WITHIN: Final = 25.0
TRANSFER_WITHIN: Final = 10.0
LINEARIZABLE_WITHIN: Final = 3.0
"""Seconds for a read that needs the quorum; without one etcd gives up only after 7."""
_SAMPLE: Final = re.compile(
    rb"^(etcd_server_quota_backend_bytes|etcd_disk_backend_defrag_duration_seconds_count|process_start_time_seconds) "
    rb"([0-9][0-9.e+]*)$",
    re.MULTILINE,
)
_LOWEST_KEY: Final = b64encode(b"\0").decode()


class GrpcCode(IntEnum):
    """The codes that etcd answers with."""

    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_NOTHING_DONE: Final = frozenset(GrpcCode) - {GrpcCode.UNKNOWN, GrpcCode.UNAVAILABLE}
"""Codes with which etcd turns a request down before it touches anything."""
_NOTHING_DONE_WORDS: Final = (
    "auth: user name is empty",
    "etcdserver: unhealthy cluster",
    "etcdserver: rpc not supported for learner",
)
"""Such refusals under the two codes that otherwise leave it open."""
_COMPACTED: Final = "required revision has been compacted"


class Wire(BaseModel):
    """A message of the gateway; fields that are not needed here are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class GrpcError(Wire):
    """How every error looks."""

    code: int
    message: str

    @property
    def is_compacted(self) -> bool:
        """Whether the revision asked for is gone, or the compaction asked for was done before."""
        return self.code == GrpcCode.OUT_OF_RANGE and _COMPACTED in self.message

    @property
    def leaves_no_effect(self) -> bool:
        """Whether etcd promises that nothing was done."""
        return self.code in _NOTHING_DONE or any(words in self.message for words in _NOTHING_DONE_WORDS)


class Header(Wire):
    """Where and when an answer was made."""

    member_id: str = ""
    cluster_id: str = ""
    revision: int = 0


class Status(Wire):
    """What a member says of itself, without asking the others."""

    header: Header = Field(default_factory=Header)
    version: str = ""
    leader: str = ""
    """The id of the leader it knows; empty without one."""
    db_size: int = Field(default=0, alias="dbSize")
    db_in_use: int = Field(default=0, alias="dbSizeInUse")
    raft_term: int = Field(default=0, alias="raftTerm")
    applied_index: int = Field(default=0, alias="raftAppliedIndex")
    errors: tuple[str, ...] = ()
    is_learner: bool = Field(default=False, alias="isLearner")


class ListedMember(Wire):
    """A member as the cluster lists it. Says nothing of whether it runs."""

    id: str = Field(alias="ID")
    name: str = ""
    """Empty until it was started for the first time."""
    client_urls: tuple[str, ...] = Field(default=(), alias="clientURLs")
    is_learner: bool = Field(default=False, alias="isLearner")


class Alarm(Wire):
    """An alarm that a member has raised."""

    member_id: str = Field(default="", alias="memberID")
    alarm: str = "NONE"


class _MemberList(Wire):
    members: tuple[ListedMember, ...] = ()


class _AlarmList(Wire):
    alarms: tuple[Alarm, ...] = ()


class _Hash(Wire):
    hash: int = 0


class _Token(Wire):
    token: str = ""


class _Anything(Wire):
    """Any object; what is in it does not matter."""


class GrpcStatusError(TargetUnavailableError):
    """etcd answered a read with an error."""

    def __init__(self, endpoint: str, error: GrpcError) -> None:
        super().__init__(f"{endpoint} answered: {printable(error.message)}.")
        self.error = error


class CompactedError(RefusedError):
    """The history that a compaction should drop is gone already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An etcd user."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a member publishes for monitoring only."""

    quota: int | None
    """Bytes at which its database counts as full; None if it has no limit or does not tell."""
    defragmentations: int | None
    """How often it has defragmented since its process began."""
    started: str
    """When that was, as written; a different text is a different process."""


W = TypeVar("W", bound=Wire)


class EtcdClient:
    """Speaks to the members of one cluster, each by its name."""

    def __init__(
        self, members: Mapping[str, str], transport: Transport, credentials: Credentials | None = None
    ) -> None:
        self.members = dict(members)
        """Client URL of each member, by name."""
        self._transport = transport
        self._credentials = credentials
        self._token: str | None = None

    async def status(self, member: str, *, within: float) -> Status:
        """Read what *member* says of itself; needs neither quorum nor token. Raises `TargetUnavailableError`."""
        call = _post("/v3/maintenance/status", {}, Deadlines.probing(within))
        return _decoded(Status, await self._transport.read([self.members[member]], call))

    async def metrics(self, member: str, *, within: float) -> Metrics:
        """Read the figures that *member* publishes for monitoring only."""
        call = Call(path="/metrics", deadlines=Deadlines.probing(within), limit=METRICS_LIMIT)
        reply = await self._transport.read([self.members[member]], call)
        if reply.status != httpx.codes.OK:
            raise TargetUnavailableError(f"{reply.endpoint} answered {reply.status}: {reply.words}.")
        samples = {found.group(1).decode(): found.group(2).decode() for found in _SAMPLE.finditer(reply.body)}
        defragmentations = samples.get("etcd_disk_backend_defrag_duration_seconds_count")
        return Metrics(
            quota=_positive(samples.get("etcd_server_quota_backend_bytes")),
            defragmentations=None if defragmentations is None else int(float(defragmentations)),
            started=samples.get("process_start_time_seconds", ""),
        )

    async def listed_members(self, via: Sequence[str], *, within: float) -> tuple[ListedMember, ...]:
        """Read the members that the cluster has, asking the members *via* in turn; needs no token."""
        endpoints = [self.members[member] for member in via]
        call = _post("/v3/cluster/member/list", {}, Deadlines.probing(within))
        return _decoded(_MemberList, await self._transport.read(endpoints, call)).members

    async def alarms(self, via: Sequence[str]) -> tuple[Alarm, ...]:
        """Read the armed alarms, agreed by the quorum. Each call is an entry in etcd's log: not for polling."""
        return (await self._read(via, "/v3/maintenance/alarm", {"action": "GET"}, _AlarmList)).alarms

    async def confirm_quorum(self, via: Sequence[str]) -> None:
        """Make a read that needs the quorum, and return if it was answered. Raises `TargetUnavailableError`."""
        await self._read(via, "/v3/kv/range", _range(), _Anything)

    async def read_locally(self, member: str) -> None:
        """Make a read that *member* answers from its own database; a member that defragments answers late."""
        await self._read([member], "/v3/kv/range", _range(serializable=True), _Anything)

    async def is_compacted(self, revision: int, via: Sequence[str]) -> bool:
        """Return whether the history before *revision* is gone."""
        try:
            await self._read(via, "/v3/kv/range", _range(revision=str(revision - 1)), _Anything)
        except GrpcStatusError as error:
            if error.error.is_compacted:
                return True
            raise
        return False

    async def content_hash(self, member: str, revision: int) -> int:
        """Return the hash of what *member* holds up to *revision*; members that agree give the same."""
        return (await self._read([member], "/v3/maintenance/hash", {"revision": str(revision)}, _Hash)).hash

    async def move_leader(self, leader: str, target_id: str) -> None:
        """Ask *leader* to hand over to the member *target_id*; in effect when this returns."""
        body = {"targetID": target_id}
        await self._write(leader, "/v3/maintenance/transfer-leadership", body, _Anything, within=TRANSFER_WITHIN)

    async def compact(self, member: str, revision: int) -> bool:
        """Drop the history before *revision* everywhere, and wait until *member* has; False if it was gone."""
        body = {"revision": str(revision), "physical": True}
        try:
            await self._write(member, "/v3/kv/compaction", body, _Anything, within=COMPACT_WITHIN)
        except CompactedError:
            return False
        return True

    async def defragment(self, member: str) -> None:
        """Rewrite the database of *member* without its holes; it answers nothing else meanwhile."""
        await self._write(member, "/v3/maintenance/defragment", {}, _Anything, within=DEFRAGMENT_WITHIN)

    async def disarm(self, via: str, alarm: Alarm) -> bool:
        """Switch one alarm of one member off; False if it was not armed."""
        body = {"action": "DEACTIVATE", "memberID": alarm.member_id, "alarm": alarm.alarm}
        reply = await self._write(via, "/v3/maintenance/alarm", body, _AlarmList, within=LINEARIZABLE_WITHIN)
        return bool(reply.alarms)

    async def put(self, via: str, key: str, value: str) -> None:
        """Write one key."""
        body = {"key": b64encode(key.encode()).decode(), "value": b64encode(value.encode()).decode()}
        await self._write(via, "/v3/kv/put", body, _Anything, within=LINEARIZABLE_WITHIN)

    async def close(self) -> None:
        """Close connections."""
        await self._transport.close()

    async def _read(self, via: Sequence[str], path: str, body: Mapping[str, Any], model: type[W]) -> W:
        endpoints = [self.members[member] for member in via]
        deadlines = Deadlines.answering_within(LINEARIZABLE_WITHIN)
        reply = await self._transport.read(endpoints, _post(path, body, deadlines, await self._known_token(endpoints)))
        error = _error(reply)
        if error is not None and error.code == GrpcCode.UNAUTHENTICATED and self._credentials is not None:
            fresh = await self._authenticate(endpoints)
            reply = await self._transport.read(endpoints, _post(path, body, deadlines, fresh))
        return _decoded(model, reply)

    async def _write(self, member: str, path: str, body: Mapping[str, Any], model: type[W], *, within: float) -> W:
        endpoint = self.members[member]
        with before_sending():
            # A write is never repeated, so its token must not turn out to have run out: each gets a new one.
            token = await self._authenticate([endpoint])
        call = _post(path, body, Deadlines.answering_within(within), token)
        return _accepted(model, await self._transport.write(endpoint, call))

    async def _known_token(self, endpoints: Sequence[str]) -> str | None:
        if self._credentials is not None and self._token is None:
            return await self._authenticate(endpoints)
        return self._token

    async def _authenticate(self, endpoints: Sequence[str]) -> str | None:
        if self._credentials is None:
            return None
        body = {"name": self._credentials.username, "password": self._credentials.password}
        call = _post("/v3/auth/authenticate", body, Deadlines.answering_within(LINEARIZABLE_WITHIN))
        reply = await self._transport.read(endpoints, call)
        error = _error(reply)
        if error is not None and "authentication is not enabled" in error.message:
            return None
        self._token = _decoded(_Token, reply).token or None
        return self._token


def _post(path: str, body: Mapping[str, Any], deadlines: Deadlines, token: str | None = None) -> Call:
    headers = {"Authorization": token} if token else {}
    return Call(path=path, body=json.dumps(body).encode(), headers=headers, deadlines=deadlines)


def _positive(sample: str | None) -> int | None:
    number = int(float(sample)) if sample is not None else 0
    return number if number > 0 else None


def _range(**extra: str | bool) -> Mapping[str, Any]:
    return {"key": _LOWEST_KEY, "keys_only": True, "limit": "1", **extra}


def _error(reply: Reply) -> GrpcError | None:
    try:
        return GrpcError.model_validate_json(reply.body)
    except ValidationError:
        return None


def _decoded(model: type[W], reply: Reply) -> W:
    error = _error(reply)
    if error is not None:
        raise GrpcStatusError(reply.endpoint, error)
    if reply.status != httpx.codes.OK:
        raise TargetUnavailableError(f"{reply.endpoint} answered {reply.status}: {reply.words}.")
    try:
        return model.model_validate_json(reply.body)
    except ValidationError:
        raise TargetUnavailableError(f"{reply.endpoint} answered what etcd would not: {reply.words}.") from None


def _accepted(model: type[W], reply: Reply) -> W:
    error = _error(reply)
    if error is not None:
        raise _write_error(reply.endpoint, error)
    reply.require_success()
    try:
        return model.model_validate_json(reply.body)
    except ValidationError:
        raise OutcomeUnknownError(reply.endpoint, f"it answered what etcd would not: {reply.words}") from None


def _write_error(endpoint: str, error: GrpcError) -> OperatorError:
    if error.is_compacted:
        return CompactedError(endpoint, error.message)
    if error.leaves_no_effect:
        return RefusedError(endpoint, error.message)
    return OutcomeUnknownError(endpoint, f"it answered: {printable(error.message)}")
