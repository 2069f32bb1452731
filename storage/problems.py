"""A list of findings that stays readable however much is wrong."""

from typing import Final

MOST: Final = 1_000


class Problems:
    """Collects sentences, the first thousand in full."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._more = 0

    def add(self, sentence: str) -> None:
        """Note one finding."""
        if len(self._found) < MOST:
            self._found.append(sentence)
        else:
            self._more += 1

    def all(self) -> tuple[str, ...]:
        """Return the sentences, and how many more there would have been."""
        rest = [f"… and {self._more:,} more."] if self._more else []
        return (*self._found, *rest)
