"""Forgeries of a SQLite database, by somebody who knows the tables and covers the tracks."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share
from tests.prove.tampering_parts import PROMISE, CannotBeForgedError, Scene, lived, tried
from tests.storage.forgeries import Editor, SqliteEditor, forging


class File:
    """See `Scene`: a copy of a file."""

    def __init__(self, untouched: Path, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._untouched = untouched
        self._path = path

    @contextmanager
    def forging(self) -> Iterator[Editor]:
        """See `Scene.forging`."""
        shutil.copy(self._untouched, self._path)
        try:
            with forging(self._path) as connection:
                yield SqliteEditor(connection)
        except sqlite3.IntegrityError as error:
            raise CannotBeForgedError from error


def run(trial: Trial) -> Outcome:
    """Forge."""
    untouched = trial.folder / "untouched.db"
    asyncio.run(lived(f"sqlite:///{untouched}"))

    @contextmanager
    def scene(share: Share) -> Iterator[Scene]:
        yield File(untouched, share.folder / "operator.db")

    return tried(trial, scene)


PROOF: Final = Proof(
    name="tampering",
    promise=f"In SQLite, {PROMISE}.",
    count=5_000,
    unit="forgeries",
    run=run,
    bugs={
        "head not held against the witness": 100,
        "control rows not compared": 100,
        "approvals not compared": 100,
        "hashes not computed again": 200,
    },
)
