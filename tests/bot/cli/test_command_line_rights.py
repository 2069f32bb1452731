"""What the commands themselves change, as the rows of the authorization matrix say."""

from typing import Final

import pytest

from bot.cli.caller import login
from tests.bot.authorization import table
from tests.bot.authorization.kinds import Kind
from tests.bot.cli.home import Home
from tests.rig import Rig

ARGUMENTS: Final = {
    "actions approve": ["1", "--yes"],
    "actions break-glass": ["1", "--reason", "because", "--confirm", "a"],
    "actions cancel": ["1"],
    "actions resolve": ["1", "--happened", "--reason", "seen"],
    "actions kill-switch": ["because"],
    "actions mode": ["execute", "because"],
    "actions show": ["1"],
    "actions preview": ["1"],
    "reviews close": ["1", "--comment", "seen"],
    "subjects observe": ["processes"],
}
ONLY_READ: Final = sorted(
    name for name, operation in table.CLI.items() if not operation and name not in {"run", "demo"}
)


async def one_waits(rig: Rig) -> int:
    return await rig.propose("a")


def decisions(home: Home) -> list[tuple[str, str]]:
    """Everything that was decided or begun, by whom."""
    with home.sql() as connection:
        rows = connection.execute(
            "SELECT event, actor FROM audit WHERE event NOT IN ('started', 'stopped', 'denied', 'checkpoint') "
            "AND actor != 'system:start' ORDER BY seq"  # a subject that is seen for the first time is written down
        ).fetchall()
    connection.close()
    return [(str(event), str(actor)) for event, actor in rows]


@pytest.mark.parametrize("command", ONLY_READ)
def test_a_command_that_decides_nothing_changes_nothing(home: Home, command: str) -> None:
    home.act(one_waits)
    before = decisions(home)

    assert home.run(*command.split(), *ARGUMENTS.get(command, [])).code in {0, 1, 3}

    assert decisions(home) == before


@pytest.mark.parametrize(
    "command", ["actions approve", "actions break-glass", "actions resolve", "actions mode", "reviews close"]
)
def test_a_stranger_on_the_command_line_is_refused(home: Home, command: str) -> None:
    assert Kind.CLI_STRANGER not in table.CORE[table.CLI[command]].who
    home.configure(home.config.replace(f'cli = ["{login()}"]', 'cli = ["somebody-else"]'))
    home.act(one_waits)
    before = decisions(home)

    said = home.run(*command.split(), *ARGUMENTS[command])

    assert (said.code, "You may not" in said.err) == (1, True)
    assert decisions(home) == before


@pytest.mark.parametrize(
    ("command", "event"), [("actions cancel", "cancelled"), ("actions kill-switch", "kill_switch")]
)
def test_a_stranger_on_the_command_line_stops_all_the_same(home: Home, command: str, event: str) -> None:
    assert Kind.CLI_STRANGER in table.CORE[table.CLI[command]].who
    home.configure(home.config.replace(f'cli = ["{login()}"]', 'cli = ["somebody-else"]'))
    home.act(one_waits)

    said = home.run(*command.split(), *ARGUMENTS[command])

    assert said.code == 0
    assert any(was == event and actor.startswith(f"cli:{login()}@") for was, actor in decisions(home))
