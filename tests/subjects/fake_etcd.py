"""An etcd cluster in memory that answers as the real one does, for what a real one cannot be brought to do at will."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.etcd.subject import EtcdSubject
from actions.subjects.process import ProcessSource
from tests.factories import FixedClock
from tests.subjects.recorded import QUOTA, response

Reply = tuple[int, Mapping[str, Any] | str]
MIB = 1024 * 1024


@dataclass
class FakeMember:
    """One member; *live* is what its file shrinks to when it is defragmented."""

    name: str
    id: str
    db_size: int = 4 * MIB
    in_use: int = 4 * MIB
    live: int = MIB
    quota: int | None = QUOTA
    is_learner: bool = False
    answers: bool = True
    talks_nonsense: bool = False
    tells_metrics: bool = True
    leader: str | None = None
    applied: int = 50
    hash: int = 7
    defragmentations: int = 0
    started: str = "1.7e+09"
    slow_to_compact: int = 0
    """How many defragmentations still find the history there."""


@dataclass
class FakeEtcd:
    """A cluster; the first member leads."""

    members: list[FakeMember] = field(
        default_factory=lambda: [FakeMember(name=f"n{number}", id=f"{number}00") for number in (1, 2, 3)]
    )
    alarms: list[tuple[str, str]] = field(default_factory=list)
    strangers: list[tuple[str, str]] = field(default_factory=list)
    revision: int = 100
    term: int = 3
    compacted: int = 0
    writable: bool = True
    """Whether a write is answered; otherwise it times out inside etcd."""
    rearms: bool = False
    has_quorum: bool = True
    lists_members: bool = True
    calls: list[str] = field(default_factory=list)
    after: Mapping[str, Callable[["FakeEtcd"], None]] = field(default_factory=dict)
    """What happens to the cluster right after a call, by path."""

    def subject(self, processes: ProcessSource | None = None, /, **config: Any) -> EtcdSubject:
        members = {member.name: f"http://{member.name}:2379" for member in self.members}
        settings = EtcdConfig.model_validate({"members": members, **config})
        over = httpx.MockTransport(self._answer)
        return EtcdSubject("etcd", settings, clock=FixedClock(), environ={}, processes=processes, over=over)

    def __getitem__(self, name: str) -> FakeMember:
        return next(member for member in self.members if member.name == name)

    @property
    def writes(self) -> list[str]:
        """The calls that change something, in order."""
        return [call for call in self.calls if call.split()[1] in {"compaction", "defragment", "disarm", "move", "put"}]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        member = self[request.url.host]
        if not member.answers:
            raise httpx.ConnectError("All connection attempts failed", request=request)
        if member.talks_nonsense:
            return response(200, "<html>")
        if request.url.path == "/metrics":
            return response(200, self._metrics(member)) if member.tells_metrics else response(500, "")
        body = json.loads(request.content)
        status, said = self._handlers()[request.url.path](member, body)
        effect = self.after.get(request.url.path)
        if effect is not None:
            effect(self)
        return response(status, said)

    def _handlers(self) -> Mapping[str, Callable[[FakeMember, Mapping[str, Any]], Reply]]:
        return {
            "/v3/maintenance/status": self._status,
            "/v3/cluster/member/list": self._list,
            "/v3/maintenance/alarm": self._alarm,
            "/v3/maintenance/hash": self._hash,
            "/v3/maintenance/defragment": self._defragment,
            "/v3/maintenance/transfer-leadership": self._move,
            "/v3/kv/range": self._range,
            "/v3/kv/compaction": self._compact,
            "/v3/kv/put": self._put,
        }

    def _status(self, member: FakeMember, _body: Mapping[str, Any]) -> Reply:
        leader = self.members[0].id if member.leader is None else member.leader
        said: dict[str, Any] = {
            "header": {"cluster_id": "9", "member_id": member.id, "revision": str(self.revision)},
            "dbSize": str(member.db_size),
            "dbSizeInUse": str(member.in_use),
            "raftTerm": str(self.term),
            "raftAppliedIndex": str(member.applied),
            "errors": [f"memberID:{member_id} alarm:{alarm} " for member_id, alarm in self.alarms],
        }
        said |= {"leader": leader} if leader else {}
        said |= {"isLearner": True} if member.is_learner else {}
        return 200, said

    def _list(self, _member: FakeMember, _body: Mapping[str, Any]) -> Reply:
        if not self.lists_members:
            return _error(14, "etcdserver: request timed out")
        listed = [{"ID": m.id, "name": m.name, "isLearner": m.is_learner} for m in self.members]
        return 200, {"members": [*listed, *({"ID": member_id, "name": name} for member_id, name in self.strangers)]}

    def _alarm(self, member: FakeMember, body: Mapping[str, Any]) -> Reply:
        if body["action"] == "GET":
            return 200, _alarms(self.alarms)
        self.calls.append(f"{member.name} disarm {body['memberID']} {body['alarm']}")
        wanted = (body["memberID"], body["alarm"])
        if wanted not in self.alarms:
            return 200, {}
        if not self.rearms:
            self.alarms.remove(wanted)
        return 200, _alarms([wanted])

    def _hash(self, member: FakeMember, _body: Mapping[str, Any]) -> Reply:
        return 200, {"hash": member.hash}

    def _defragment(self, member: FakeMember, _body: Mapping[str, Any]) -> Reply:
        self.calls.append(f"{member.name} defragment")
        if member.is_learner:
            return _error(14, "etcdserver: rpc not supported for learner")
        member.defragmentations += 1
        if member.slow_to_compact:
            member.slow_to_compact -= 1
        else:
            member.db_size = member.in_use = member.live
        return 200, {}

    def _move(self, member: FakeMember, body: Mapping[str, Any]) -> Reply:
        self.calls.append(f"{member.name} move {body['targetID']}")
        return 200, {}

    def _range(self, _member: FakeMember, body: Mapping[str, Any]) -> Reply:
        if not self.has_quorum and not body.get("serializable"):
            return _error(14, "etcdserver: request timed out")
        if int(body.get("revision", self.revision)) < self.compacted:
            return _error(11, "etcdserver: mvcc: required revision has been compacted")
        return 200, {"header": {}}

    def _compact(self, member: FakeMember, body: Mapping[str, Any]) -> Reply:
        self.calls.append(f"{member.name} compaction {body['revision']} physical={body['physical']}")
        if int(body["revision"]) <= self.compacted:
            return _error(11, "etcdserver: mvcc: required revision has been compacted")
        self.compacted = int(body["revision"])
        return 200, {}

    def _put(self, member: FakeMember, _body: Mapping[str, Any]) -> Reply:
        self.calls.append(f"{member.name} put")
        if not self.writable:
            return _error(14, "etcdserver: request timed out")
        if self.alarms:
            return _error(8, "etcdserver: mvcc: database space exceeded")
        return 200, {"header": {}}

    def _metrics(self, member: FakeMember) -> str:
        lines = [
            f"etcd_disk_backend_defrag_duration_seconds_count {member.defragmentations}",
            f"process_start_time_seconds {member.started}",
        ]
        if member.quota is not None:
            lines.append(f"etcd_server_quota_backend_bytes {float(member.quota):e}")
        return "\n".join(lines) + "\n"


def _alarms(alarms: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    return {"alarms": [{"memberID": member_id, "alarm": alarm} for member_id, alarm in alarms]} if alarms else {}


def _error(code: int, message: str) -> Reply:
    return 400, {"error": message, "code": code, "message": message}
