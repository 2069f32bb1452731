"""A command group whose members are imported when they are used, so that help does not wait for the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from typer.core import TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Member:
    """One command, or group of commands: the module whose `app` it is, and its line in the help."""

    module: str
    help: str


class LazyGroup(TyperGroup):
    """Knows its members by name; imports one of them when it is called."""

    members: ClassVar[Mapping[str, Member]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base's signature
        """Return every name, in the order of the table."""
        return list(self.members)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base's signature
        """Import a member, or return None if there is none of this name."""
        member = self.members.get(cmd_name)
        return None if member is None else get_command(import_module(member.module).app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base's signature
        """Write one line for each member, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, member.help) for name, member in self.members.items()])
