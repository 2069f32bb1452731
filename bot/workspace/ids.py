"""Where every id and secret of a workspace comes from."""

import itertools
import secrets
from collections.abc import Callable


class Ids:
    """Ids are counted, so that a run repeats; secrets are random unless a test injects *secret*."""

    def __init__(self, *, secret: Callable[[], str] = secrets.token_hex) -> None:
        self._numbers = itertools.count(1)
        self.secret = secret

    def next(self, prefix: str) -> str:
        """Return *prefix* and a number that was never handed out before."""
        return f"{prefix}{next(self._numbers):09d}"
