"""What an open transaction has read or written, and nobody else can change before it ends."""

from actions.models import ActionProposal, Control


class Known:
    """Spares reading the same row twice. Lives as long as one `BEGIN IMMEDIATE … COMMIT`, or one reader's snapshot.

    Where other writers can come in between (PostgreSQL), each unit of work needs one that is emptied by its locks.
    """

    def __init__(self) -> None:
        self.controls: dict[str, Control] = {}
        self.proposals: dict[int, ActionProposal] = {}
        self.head: tuple[int, str] | None = None
