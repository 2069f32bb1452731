"""One trial of one harness, in a process of its own, which has imported nothing of operator before.

Processes that it starts find the bug by `plant_from_environment`.
"""

import gc
import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.prove.bugs import BUGS
from tests.prove.proof import Progress, Proof, Trial
from tests.seeding import plant

SEEDED: Final = "OPERATOR_SEEDED_BUG"
TROUBLE: Final = "stderr"
"""The file that holds what was said while there was a bug: what a bug breaks need not be read."""


def plant_from_environment() -> None:
    """Plant the bug under trial, if there is one; to be called before anything of operator is imported."""
    name = os.environ.get(SEEDED)
    if name:
        plant(*BUGS[name])


def proof_of(name: str) -> Proof:
    """Return the harness of this name, from the module of that name."""
    proof = import_module(f"tests.prove.{name.replace('-', '_')}").PROOF
    assert isinstance(proof, Proof)
    return proof


def run_one(name: str, count: int, seed: int, folder: Path, bug: str) -> None:
    """Run the harness of this name in this process, and write its outcome as JSON to outcome.json in *folder*."""
    os.environ[SEEDED] = bug
    if bug:
        with (folder / TROUBLE).open("wb") as trouble:
            os.dup2(trouble.fileno(), sys.stderr.fileno())
    plant_from_environment()
    proof = proof_of(name)
    gc.freeze()  # what was imported need not be looked through again and again
    gc.set_threshold(50_000, 20, 20)
    work = folder / "work"
    work.mkdir()
    progress = Progress(name, count, proof.unit)
    outcome = proof.run(Trial(count=count, seed=seed, folder=work, progress=progress))
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome)))
