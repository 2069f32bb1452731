"""Builds the configured subjects and joins those that depend on each other."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from actions.errors import ConfigurationError
from actions.ports import Clock
from actions.subject import Subject
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.etcd.subject import EtcdSubject
from actions.subjects.supervisor.client import SupervisorClient, connect
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.supervisor.subject import SupervisorSubject

C = TypeVar("C", bound=BaseModel)
Sections = Mapping[str, Mapping[str, Any]]
"""The `[subjects.NAME]` sections, with their `kind`."""


def build_subjects(sections: Sections, *, clock: Clock, environ: Mapping[str, str]) -> dict[str, Subject]:
    """Return every configured subject by name.

    An etcd subject that names a supervisor reads its members' processes there, is asked before one of them is stopped,
    and keeps their faults to itself: one broken member is one diagnosis.

    Raises:
        ConfigurationError: a section is wrong, or a password is not in *environ*.
    """
    supervisors = {name: _read(SupervisorConfig, name, raw) for name, raw in _of_kind(sections, "supervisor").items()}
    clusters = {name: _read(EtcdConfig, name, raw) for name, raw in _of_kind(sections, "etcd").items()}
    clients = {name: connect(config, environ) for name, config in supervisors.items()}
    etcds = {
        name: EtcdSubject(name, config, clock=clock, environ=environ, processes=_processes(name, config, clients))
        for name, config in clusters.items()
    }
    subjects: dict[str, Subject] = {**etcds}
    for name, config in supervisors.items():
        dependents = [etcds[etcd] for etcd, its in clusters.items() if its.supervisor == name]
        subjects[name] = SupervisorSubject(
            name,
            config,
            client=clients[name],
            clock=clock,
            dependents=dependents,
            watched_elsewhere=frozenset().union(*(dependent.watched_processes for dependent in dependents)),
        )
    return subjects


def _of_kind(sections: Sections, kind: str) -> Sections:
    return {name: raw for name, raw in sections.items() if raw.get("kind") == kind}


def _read(model: type[C], name: str, raw: Mapping[str, Any]) -> C:
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        problems = [
            f"[subjects.{name}] {'.'.join(map(str, detail['loc'])) or 'section'} "
            f"{detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(f"The configuration cannot be used. {'; '.join(problems)}.") from None


def _processes(name: str, config: EtcdConfig, clients: Mapping[str, SupervisorClient]) -> SupervisorClient | None:
    if config.supervisor is None:
        return None
    if config.supervisor not in clients:
        known = ", ".join(sorted(clients)) or "none"
        raise ConfigurationError(
            f"[subjects.{name}] supervisor = {config.supervisor!r} names no subject of kind supervisor. Known: {known}."
        )
    return clients[config.supervisor]
