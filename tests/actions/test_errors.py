"""The errors are those of the drawing, and each has something to say to a person."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from actions import errors
from actions.errors import ActionFailedError, OperatorError
from actions.models import ActionStatus, FailureOutcome

SAMPLES: dict[str, Any] = {
    "reason": "You may not approve this. Those who may: ann, bo.",
    "scope": "etcd",
    "detail": "the kill switch was thrown",
    "proposal_id": 42,
    "status": ActionStatus.CANCELLED,
    "source": ActionStatus.CANCELLED,
    "by": "slack:T1/UBO",
    "missing": 1,
    "problem": "The database is locked.",
    "wanted": "approved",
    "changed": "leader: etcd-1 → etcd-2",
    "successor": 43,
    "target_key": "etcd:etcd-3",
    "other_id": 41,
    "key": "T1:C1:1.2",
    "action_name": "etcd.defragment",
    "similar": ["etcd.defrag"],
    "subject": "etdc",
    "known": ["etcd", "supervisor"],
    "problems": ["member is missing", "size is unknown"],
    "parameters": ["member", "size"],
    "outcome": FailureOutcome.PARTIAL,
    "transition": "T11",
    "said": "20 actions on etcd have begun within an hour",
    "setting": "actions_per_hour = 20",
    "again": "The next one may begin at 12:30:00 UTC.",
}
SENTENCE = "The mode could not be read."


def walk(kind: type[OperatorError]) -> Iterator[type[OperatorError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from walk(below)


ALL = list(walk(OperatorError))


def drawn() -> dict[str, str | None]:
    """Read the tree in the docstring: each error's name, and that of the one it hangs from."""
    assert errors.__doc__ is not None
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"([│├└─ ]*)(\w+Error(?: · \w+Error)*)(?:\s|$)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        names = found[2].split(" · ")
        del path[depth:]
        parents.update(dict.fromkeys(names, path[-1] if path else None))
        path.append(names[-1])
    return parents


def test_the_tree_is_as_drawn() -> None:
    actual = {kind.__name__: None if kind is OperatorError else kind.__bases__[0].__name__ for kind in ALL}

    assert drawn() == actual


def test_every_error_hangs_from_one_root() -> None:
    defined = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}

    assert defined == {kind.__name__ for kind in ALL}


def fields_of(kind: type[OperatorError]) -> list[str]:
    """Name what *kind* is built from; nothing where it is given a whole sentence."""
    if kind.__init__ is Exception.__init__:
        return []
    return [name for name in inspect.signature(kind).parameters if name in SAMPLES]


def a(kind: type[OperatorError]) -> OperatorError:
    given = {name: SAMPLES[name] for name in fields_of(kind)}
    return kind(**given) if given else kind(SENTENCE)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_for_a_person(kind: type[OperatorError]) -> None:
    with pytest.raises(kind) as caught:
        raise a(kind)

    said = str(caught.value)
    assert said == said.strip()
    assert re.match(r"[A-Z]", said) or kind is ActionFailedError
    assert said.endswith((".", "?")) or kind is ActionFailedError
    assert "None" not in said
    assert "Error" not in said
    for name in ("proposal_id", "by", "changed", "other_id", "key"):
        if name in fields_of(kind):
            assert str(SAMPLES[name]) in said


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_carries_what_it_was_given(kind: type[OperatorError]) -> None:
    error = a(kind)

    for name, value in vars(error).items():
        expected = SAMPLES[name]
        assert value == (tuple(expected) if isinstance(expected, list) else expected)


def test_the_command_line_exits_with_what_the_error_means() -> None:
    codes = {kind.__name__: kind.exit_code for kind in ALL}

    assert {name for name, code in codes.items() if code == 3} == {
        "UnavailableError",
        "StorageError",
        "OverloadedError",
        "NothingStoppedError",
        "TargetUnavailableError",
    }
    assert {name for name, code in codes.items() if code == 2} == {"ConfigurationError", "DuplicateActionError"}
    assert set(codes.values()) == {1, 2, 3}


def test_those_who_are_still_missing_are_counted_in_words() -> None:
    assert "it needs 1 more approval." in str(errors.AlreadyApprovedError(42, "1 more approval"))


def test_what_is_unknown_is_answered_with_what_there_is() -> None:
    assert "Did you mean etcd.defrag?" in str(errors.UnknownActionError("etcd.defragg", ["etcd.defrag"]))
    assert "`operator subjects list`" in str(errors.UnknownActionError("x"))
    assert "Configured: none." in str(errors.UnknownSubjectError("x"))


def test_a_mode_says_where_it_holds() -> None:
    assert "observe for etcd:" in str(errors.ObserveOnlyError("etcd"))
    assert "observe:" in str(errors.ObserveOnlyError())
