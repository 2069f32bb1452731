"""One trial of one harness, in a process of its own: `python -m tests.prove.one NAME COUNT SEED FOLDER [BUG]`.

Writes its outcome as JSON to FOLDER/outcome.json. Processes that it starts find the bug by `plant_from_environment`.
"""

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


def main(name: str, count: int, seed: int, folder: Path) -> None:
    """Run it."""
    plant_from_environment()
    proof = proof_of(name)
    work = folder / "work"
    work.mkdir()
    progress = Progress(name, count, proof.unit)
    outcome = proof.run(Trial(count=count, seed=seed, folder=work, progress=progress))
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
