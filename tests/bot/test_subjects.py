from typing import Final

import pytest

from actions.errors import ConfigurationError
from bot.subjects import build_subjects
from tests.factories import FixedClock

SUPERVISOR: Final[dict[str, object]] = {"kind": "supervisor", "url": "http://127.0.0.1:9001"}
ETCD: Final[dict[str, object]] = {"kind": "etcd", "members": {"n1": "http://127.0.0.1:2379"}}


async def test_subjects_are_built_by_name_and_know_of_each_other() -> None:
    sections: dict[str, dict[str, object]] = {
        "processes": SUPERVISOR,
        "etcd": ETCD | {"supervisor": "processes", "processes": {"n1": "etcd-n1"}},
    }
    subjects = build_subjects(sections, clock=FixedClock(), environ={})

    assert {name: subject.kind for name, subject in subjects.items()} == {"processes": "supervisor", "etcd": "etcd"}
    assert all(subject.actions for subject in subjects.values())
    for subject in subjects.values():
        await subject.close()


async def test_an_etcd_without_a_supervisor_stands_alone() -> None:
    subjects = build_subjects({"etcd": ETCD}, clock=FixedClock(), environ={})

    assert sorted(subjects) == ["etcd"]
    await subjects["etcd"].close()


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        (
            {"etcd": ETCD | {"supervisor": "nobody", "processes": {"n1": "etcd-n1"}}, "p": SUPERVISOR},
            r"\[subjects.etcd\] supervisor = 'nobody' names no subject of kind supervisor. Known: p.",
        ),
        ({"p": {"kind": "supervisor"}}, r"\[subjects.p\] url Field required"),
        (
            {"p": SUPERVISOR | {"url": "http://127.0.0.1:9001/RPC2"}},
            r"\[subjects.p\] url must end after the port: no path, query or fragment.",
        ),
        ({"p": SUPERVISOR | {"colour": "red"}}, r"\[subjects.p\] colour "),
    ],
)
def test_a_section_that_cannot_be_used_is_named_with_what_is_wrong(
    sections: dict[str, dict[str, object]], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        build_subjects(sections, clock=FixedClock(), environ={})
