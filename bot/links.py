"""Addresses of our own messages."""

from dataclasses import dataclass

from actions.ports import MessageRef


@dataclass(frozen=True, slots=True)
class Links:
    """Knows the workspace's address, as auth.test gives it."""

    workspace_url: str

    def to(self, ref: MessageRef | None) -> str | None:
        """Return the permanent address of a message, or None for None."""
        if ref is None:
            return None
        return f"{self.workspace_url.rstrip('/')}/archives/{ref.channel_id}/p{ref.ts.replace('.', '')}"
