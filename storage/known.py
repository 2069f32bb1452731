"""What an open transaction has read or written, and nobody else can change before it ends."""

from actions.models import ActionProposal, Control


class Known:
    """Spares reading the same row twice. Lives as long as one transaction of the writer, or one reader's snapshot.

    Nobody else writes meanwhile: the writer's transaction begins with the lock that all writers take.
    """

    def __init__(self) -> None:
        self.controls: dict[str, Control] = {}
        self.proposals: dict[int, ActionProposal] = {}
        self.head: tuple[int, str] | None = None
