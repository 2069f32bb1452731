"""How much memory `operator run` takes when nothing happens."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.history import url
from tests.bench.machine import helper, running
from tests.bench.plan import Plan
from tests.bench.rounds import Spread
from tests.bench.table import Row, at_most

_CONFIG: Final = """
database = "{database}"
state_dir = "{folder}/state"
channel = "#ops"
[agent]
enabled = false
[people.ann]
slack = ["T0LOCAL/U0ANN"]
[approvers]
approve = ["ann"]
[subjects.processes]
kind = "supervisor"
url = "http://127.0.0.1:1"
[subjects.etcd]
kind = "etcd"
members = {{ n1 = "http://127.0.0.1:1" }}
"""
_UP: Final = "operator-bot is up"
_IDLE: Final = 8.0
"""Seconds in which every worker of the bot has its turn."""


def measure(plan: Plan) -> Iterator[Row]:
    """Return the line about memory."""
    config = plan.folder / "operator.toml"
    config.write_text(_CONFIG.format(database=url(plan.folder / "operator.db"), folder=plan.folder), encoding="utf-8")
    with helper("tests.bench.slack", bytecode=plan.bytecode, core=1) as slack:
        environ = {"OPERATOR_CONFIG": str(config), **slack.said()}
        del environ["SLACK_SIGNING_SECRET"]  # Socket Mode, as by default
        found = Spread([_idle(plan, environ) for _ in range(plan.many(3))])
    yield at_most("operator run, idle, resident memory", found.times(1 / 1024), 160, "MiB")


def _idle(plan: Plan, environ: dict[str, str]) -> float:
    """Return the KiB that a bot has resident once it has been up for a while."""
    command = [str(Path(sys.executable).with_name("operator")), "run", "--port", "0"]
    with running(command, bytecode=plan.bytecode, secrets=environ, stderr=subprocess.PIPE) as process:
        log = iter(process.stderr or ())
        if not any(_UP in line for line in log):
            raise RuntimeError("the bot did not come up")
        time.sleep(_IDLE)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
