"""Tells the workers of this process that the database has news."""

from collections.abc import Callable


class Signals:
    """`actions.ports.Publisher` for workers that attach themselves after it was handed out."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def attach(self, wake: Callable[[], None]) -> None:
        """Call *wake* at every change from now on; it must return at once."""
        self._listeners.append(wake)

    def changed(self) -> None:
        """See `Publisher.changed`."""
        for wake in self._listeners:
            wake()
