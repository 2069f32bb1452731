"""`--subject NAME` among the words of a slash command."""

import re
from typing import Final

from actions.errors import BadRequestError
from actions.models import EVERYTHING

# Phones write two hyphens as one dash.
_OPTION: Final = re.compile(r"(?<!\S)(?:--|[\u2014\u2013])subject(?:=|\s+|$)(\S*)")


def scope_and_rest(text: str) -> tuple[str, str]:
    """Return what is meant, everything if no subject is named, and the other words.

    Raises:
        BadRequestError: several subjects are named
    """
    named: list[str] = [name.lower() for name in _OPTION.findall(text)]
    if len(named) > 1:
        raise BadRequestError(
            f"Name one subject at a time, not {' and '.join(name[:40] for name in named[:5])}; nothing was changed."
        )
    return (named[0] if named else EVERYTHING), " ".join(_OPTION.sub(" ", text).split())
