"""What real systems once answered, and observations of real faults, kept in tests/data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from actions.subjects.etcd.client import EtcdClient
from actions.subjects.etcd.observe import EtcdObservation, MemberReading
from actions.subjects.process import Process, ProcessState
from actions.subjects.transport import Transport, Why
from tests.factories import START

DATA = Path(__file__).parents[1] / "data" / "etcd"
FILES = ("basic", "nospace", "membership", "learner_auth", "v351_compare", "faults_and_quorum")
QUOTA = 4 * 1024 * 1024


@dataclass(frozen=True)
class Recorded:
    """One call to a real member, and its answer."""

    source: str
    label: str
    path: str
    body: Mapping[str, Any] | None
    status: int
    response: Any

    def __str__(self) -> str:
        return f"{self.source}: {self.label}"


@cache
def recorded_calls() -> tuple[Recorded, ...]:
    """Every recorded call that was answered."""
    return tuple(_recorded_calls())


def recorded(source: str, label: str) -> Recorded:
    """The call of this label."""
    return next(call for call in recorded_calls() if (call.source, call.label) == (source, label))


def response(status: int, content: bytes | str | Mapping[str, Any]) -> httpx.Response:
    """An answer whose body is still to be read, as one from a socket is."""
    match content:
        case bytes():
            body = content
        case str():
            body = content.encode()
        case _:
            body = json.dumps(content).encode()
    return httpx.Response(status, stream=httpx.ByteStream(body))


def client_answering(call: Recorded) -> EtcdClient:
    """A client of one member, n1, that always gives this answer."""
    content = call.response if isinstance(call.response, str) else json.dumps(call.response)
    over = httpx.MockTransport(lambda _request: response(call.status, content))
    return EtcdClient({"n1": "http://127.0.0.1:2379"}, Transport(over=over))


def recorded_observation(name: str) -> EtcdObservation:
    """The observation of a real fault."""
    raw = json.loads((DATA / f"observation_{name}.json").read_text(encoding="utf-8"))
    return EtcdObservation(
        subject="etcd",
        observed_at=START,
        members=tuple(_member(name, member) for name, member in raw["members"].items()),
        supervisor="supervisor",
    )


def recorded_diagnosis(name: str) -> Mapping[str, Any]:
    """What was diagnosed then."""
    diagnosis: Mapping[str, Any] = json.loads((DATA / f"diagnosis_{name}.json").read_text(encoding="utf-8"))[0]
    return diagnosis


def _recorded_calls() -> Iterator[Recorded]:
    for source in FILES:
        for call in json.loads((DATA / f"etcd_calls_{source}.json").read_text(encoding="utf-8")):
            if call.get("status") is None:
                continue
            yield Recorded(
                source=source,
                label=str(call["label"]),
                path="/" + call["url"].split("/", 3)[3],
                body=call["body"],
                status=call["status"],
                response=call["response"],
            )


def _member(name: str, raw: Mapping[str, Any]) -> MemberReading:
    process = Process(name=f"etcd-{name}", state=ProcessState(raw["process"]), pid=100, exit_status=-1)
    if not raw["reachable"]:
        return MemberReading(
            name=name,
            url=raw["url"],
            reachable=False,
            why=Why(raw["why"]),
            process_name=process.name,
            process=process,
        )
    return MemberReading(
        name=name,
        url=raw["url"],
        reachable=True,
        id=raw["id"],
        cluster_id="1",
        leader=raw["leader"],
        errors=tuple(raw["errors"]),
        db_size=raw["db"],
        db_in_use=raw["inuse"],
        quota=QUOTA,
        revision=int(raw["rev"]),
        term=int(raw["term"]),
        applied_index=raw["applied"],
        process_name=process.name,
        process=process,
    )
