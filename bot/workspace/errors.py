"""How the workspace says no."""

from collections.abc import Mapping, Sequence


class RefusedError(Exception):
    """The request is refused with one of Slack's error codes, such as ``channel_not_found``."""

    def __init__(self, code: str, *, messages: Sequence[str] = (), extra: Mapping[str, str] | None = None) -> None:
        super().__init__(code, *messages)
        self.code = code
        self.messages = tuple(messages)
        self.extra = dict(extra or {})
