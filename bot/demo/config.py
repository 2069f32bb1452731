"""The configuration of the demo's bot: the same file and the same variables that any other bot gets."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bot import ids
from bot.demo.cluster import DemoCluster
from bot.workspace.app import App, Command, Shortcut
from bot.workspace.server import Workspace

CHANNEL: Final = "ops"
PEOPLE: Final = ("ann", "bo")
PASSWORD: Final = "DEMO_SUPERVISOR_PASSWORD"  # noqa: S105 - the variable's name
_FOREIGN: Final = ("SLACK_", "OPERATOR_")
"""What a visitor has set for a bot of his own must not reach this one."""

APP: Final = App(
    commands=(
        Command(
            name=ids.SlashCommand.OPERATOR.value,
            description="Look, approve, stop",
            usage_hint=" | ".join(ids.Subcommand),
        ),
    ),
    shortcuts=(
        Shortcut(
            name="What is this?",
            callback_id=ids.Shortcut.WHAT_IS_THIS.value,
            description="Says what a message of Operator is about, what became of it, and what can still be done",
        ),
    ),
)


def write_configuration(directory: Path, cluster: DemoCluster, workspace: Workspace) -> Path:
    """Write `operator.toml` into *directory* and return its path."""
    path = directory / "operator.toml"
    path.touch(mode=0o600)
    path.write_text(
        f"""\
database = "sqlite:///operator.db"
state_dir = "state"
channel = {json.dumps(workspace.state.channel(CHANNEL).id)}

[subjects.etcd]
kind = "etcd"
supervisor = "supervisor"
probe_key = "operator/probe"
members = {_table(cluster.endpoints)}
processes = {_table(cluster.process_names)}

[subjects.supervisor]
kind = "supervisor"
url = {json.dumps(cluster.supervisor_url)}
username = {json.dumps(cluster.supervisor_username)}
password_env = {json.dumps(PASSWORD)}
stop_within = 5.0

{_people(workspace)}
[approvers]
approve = {json.dumps(PEOPLE)}
break_glass = {json.dumps(PEOPLE[:1])}

[agent]
interval = "2s"

[http]
port = 0

[limits]
shutdown_grace = "2s"
""",
        encoding="utf-8",
    )
    return path


def environment(
    inherited: Mapping[str, str], *, configuration: Path, cluster: DemoCluster, workspace: Workspace
) -> dict[str, str]:
    """Return the variables of the bot's process: what it *inherited*, without another bot's and without proxies."""
    return {name: value for name, value in inherited.items() if not _is_foreign(name.upper())} | {
        "OPERATOR_CONFIG": str(configuration),
        "SLACK_API_URL": workspace.base_url,
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
        PASSWORD: cluster.supervisor_password,
    }


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN) or name.endswith("_PROXY")


def _people(workspace: Workspace) -> str:
    users = {name: workspace.state.user(name) for name in PEOPLE}
    return "\n".join(
        f"[people.{name}]\nslack = [{json.dumps(f'{user.team_id}/{user.id}')}]\n" for name, user in users.items()
    )


def _table(values: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + " }"
