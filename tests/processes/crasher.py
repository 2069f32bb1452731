"""A process that has scripts of `tests.prove.crash_points` killed at every point, and prints what came of it.

Run as `python -m tests.processes.crasher <folder> <script> …`; processes are forked from it, so it has no threads.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from tests.prove.crash_parts.scripts import SCRIPTS
from tests.prove.crash_points import PROOF, crash_scripts
from tests.prove.proof import Progress, Trial


def main(folder: Path, *names: str) -> None:
    """Kill and judge."""
    scripts = [script for script in SCRIPTS if script.name in names]
    trial = Trial(count=PROOF.count, seed=0, folder=folder, progress=Progress(PROOF.name, 0, PROOF.unit))
    print(json.dumps(asdict(crash_scripts(trial, scripts).outcome)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
