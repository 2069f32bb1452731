"""What a process that is going to be killed leaves behind: a line for each thing that it was told is done."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from actions.models import ActionProposal, Checkpoint, Control
from actions.ports import Reader
from actions.safety import Stopped, Switched
from tests.factories import START
from tests.invariants import everything


class Journal:
    """A file to which several processes add lines, each whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, **line: Any) -> None:
        """Add a line."""
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def trouble(self, text: str) -> None:
        """Add what went wrong in a way that nothing here explains."""
        self.add(trouble=text)

    def answered(self, answer: object) -> None:
        """Add what an awaited call returned: from here on it must not be lost."""
        match answer:
            case ActionProposal():
                self.add(proposals=[_row(answer)])
            case Switched():
                self.add(controls=[_control(answer.control)])
            case Checkpoint():
                self.add(seq=answer.seq, head=answer.head)
            case Stopped() if answer.recorded:
                self.add(in_flight=[proposal.id for proposal in answer.in_flight])

    def looked(self, reader: Reader) -> None:
        """Add everything that can be read now: whoever read it may rely on it."""
        newest = reader.audit_head(START)
        self.add(
            proposals=[_row(proposal) for proposal in everything(reader)],
            controls=[_control(control) for control in reader.controls()],
            seq=newest.seq,
            head=newest.head,
        )

    def lines(self) -> list[dict[str, Any]]:
        """Return what was added so far."""
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    @cached_property
    def _file(self) -> int:
        # Opened by those alone who write, and closed with them: whoever starts thousands of processes only reads.
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _row(proposal: ActionProposal) -> tuple[int, int, str]:
    return proposal.id, proposal.version, proposal.status.value


def _control(control: Control) -> tuple[str, int, str]:
    return control.scope, control.epoch, control.mode.value
