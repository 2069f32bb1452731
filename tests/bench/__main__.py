"""`python -m tests.bench [NAME …] [--rounds N] [--full]`: measures, prints a table, and exits with 0 if it could."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench import audit, clicks, commands, executor, kill, memory
from tests.bench.machine import described
from tests.bench.plan import Plan
from tests.bench.table import Row, markdown, summary

GROUPS: Final[Mapping[str, Callable[[Plan], Iterator[Row]]]] = {
    "clicks": clicks.measure,
    "executor": executor.measure,
    "kill": kill.measure,
    "commands": commands.measure,
    "audit": audit.measure,
    "memory": memory.measure,
    "postgresql": executor.measure_postgresql,
}


def measured(names: Sequence[str], plan: Plan) -> list[Row]:
    """Measure these groups, and say on standard error what is under way."""
    rows = []
    for name in names:
        began = time.monotonic()
        (folder := plan.folder / name).mkdir()
        for row in GROUPS[name](plan.within(folder)):
            print(
                f"  {row.what}: {row.measured}{f'  ({row.verdict})' if row.verdict else ''}",
                file=sys.stderr,
                flush=True,
            )
            rows.append(row)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(GROUPS)}; else everything"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each contestant takes its turn")
    parser.add_argument("--full", action="store_true", help="also what takes many minutes: ten million audit rows")
    asked = parser.parse_args()
    if unknown := set(asked.names) - GROUPS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="operator-bench-", dir=Path.cwd()) as folder:
        plan = Plan(folder=Path(folder), bytecode=Path(folder) / "bytecode", rounds=asked.rounds, full=asked.full)
        print(f"{described(plan.folder)}; {plan.rounds} rounds, order by seed 1\n")
        rows = measured(asked.names or list(GROUPS), plan)
    print(f"{markdown(rows)}\n\n{summary(rows)}")


if __name__ == "__main__":
    main()
