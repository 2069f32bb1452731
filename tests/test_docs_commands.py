"""Every command in the docs and in the help texts is one that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from bot.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _commands(command: Any, context: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        yield path
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands(inner, typer.Context(inner, parent=context, info_name=name), (*path, name))


def _root() -> TyperGroup:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return root


def _examples() -> Iterator[str]:
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
            yield from re.findall(r"^\$ (operator .*?)(?:\s+#.*)?$", block, re.MULTILINE)


def _take(words: list[str]) -> None:
    command: Any = _root()
    context = typer.Context(command, info_name="operator")
    while isinstance(command, TyperGroup):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"there is no {words[0]!r}"
        command, words = inner, words[1:]
    command.make_context(command.name or "operator", list(words), parent=context)


def _words(example: str) -> list[str]:
    return shlex.split(re.split(r" [|>] ", example)[0])[1:]


COMMANDS = list(_commands(_root(), typer.Context(_root())))


@pytest.mark.parametrize("example", sorted(set(_examples())))
def test_a_command_in_the_docs_is_taken_as_it_stands(example: str) -> None:
    _take(_words(example))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_that_is_taken(path: tuple[str, ...]) -> None:
    command: Any = _root()
    context = typer.Context(command)
    for name in path:
        assert isinstance(command, TyperGroup)
        found = command.get_command(context, name)
        assert found is not None
        command = found
    text = command.help or ""

    examples = re.findall(rf"^\s*(?:\S+ \| )?(operator {' '.join(path)}(?: .*?)?)(?:\s{{2,}}.*)?$", text, re.MULTILINE)
    assert examples, f"no example in the help of {' '.join(path)}"
    for example in examples:
        _take(_words(example))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_in_the_docs(path: tuple[str, ...]) -> None:
    pages = "\n".join(page.read_text() for page in PAGES)

    assert f"operator {' '.join(path)}" in pages or f"make {' '.join(path)}" in pages
