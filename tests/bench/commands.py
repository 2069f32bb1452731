"""How long a command takes from the shell, against an interpreter that does nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.history import url
from tests.bench.machine import compiled
from tests.bench.plan import Plan
from tests.bench.raw import with_pending
from tests.bench.rounds import seconds, taken_in_turns
from tests.bench.table import Row, at_most, told

FEW: Final = 1_000
MANY: Final = 100_000
_OPERATOR: Final = str(Path(sys.executable).with_name("operator"))
_LIST: Final = (_OPERATOR, "actions", "list")


def measure(plan: Plan) -> Iterator[Row]:
    """Return the lines about commands; modules are compiled, as after `pip install`."""
    few, many = (_configured(plan, plan.many(count)) for count in (FEW, MANY))
    found = taken_in_turns(
        plan.many(2 * plan.rounds + 1),
        {
            "pass": _command(plan, (sys.executable, "-c", "pass")),
            "help": _command(plan, (_OPERATOR, "--help")),
            "few": _command(plan, _LIST, few),
            "many": _command(plan, _LIST, many),
            "audit": _command(plan, (_OPERATOR, "audit", "list"), few),
        },
    )
    floor = found.of("pass")
    times = {name: f"{found.of(name).median * 1e3:.0f} ms" for name in ("pass", "help", "few", "many", "audit")}
    unit = "x python -c pass"
    yield at_most(
        "operator --help", found.of("help").over(floor), 16, unit, detail=f"{times['help']} against {times['pass']}"
    )
    yield at_most(
        f"operator actions list, {plan.many(MANY):,} rows", found.of("many").over(floor), 60, unit, detail=times["many"]
    )
    same = found.of("many").over(found.of("few"))
    yield at_most(
        f"the same against {plan.many(FEW):,} rows", same, 1.1, f"x with {plan.many(FEW):,} rows", detail=times["few"]
    )
    yield told("operator audit list", found.of("audit").over(floor), unit, detail=times["audit"])


def _configured(plan: Plan, count: int) -> Mapping[str, str]:
    """Return the environment of commands over a database with this many proposals."""
    database = with_pending(plan.folder / f"{count}.db", count)
    config = plan.folder / f"{count}.toml"
    config.write_text(f'database = "{url(database)}"\nstate_dir = "{plan.folder}/state"\n', encoding="utf-8")
    return {"OPERATOR_CONFIG": str(config)}


def _command(plan: Plan, command: Sequence[str], configured: Mapping[str, str] | None = None) -> Callable[[], float]:
    environ = {**compiled(plan.bytecode), **(configured or {})}
    run = partial(
        subprocess.run, list(command), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return lambda: seconds(run)
