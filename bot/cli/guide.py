"""How a command explains itself: what it does, examples to copy, and what its exit code means."""

from textwrap import fill
from typing import Final

_WIDTH: Final = 78


def guide(what: str, *examples: str, exits: str) -> str:
    """Return the help of a command.

    Args:
        what: one or a few sentences; the first stands in the list of commands.
        examples: whole command lines.
        exits: what each exit code means here, separated by ` · `.
    """
    # The lone backspace keeps the lines below it as they are.
    listed = "\n".join(f"  {example}" for example in examples)
    codes = "\n".join(fill(code, _WIDTH, initial_indent="  ", subsequent_indent="    ") for code in exits.split(" · "))
    return f"{what}\n\n\b\nExamples:\n{listed}\n\n\b\nExit codes:\n{codes}"
