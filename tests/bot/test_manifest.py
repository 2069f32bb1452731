"""The app that Slack is told about is the app that we wrote."""

import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from bot.demo.config import APP
from bot.ids import Button, Event, Field, MessageEvent, Modal, Shortcut, SlashCommand, Subcommand
from bot.views.command_answers import USAGE
from bot.workspace.app import app_from_manifest

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = json.loads((ROOT / "tests" / "data" / "slack_manifest.schema.2.0.0.json").read_text())
MANIFEST: Final[dict[str, Any]] = yaml.safe_load((ROOT / "manifest.yml").read_text())
SOURCES: Final = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "bot").rglob("*.py")
    if "workspace" not in path.relative_to(ROOT).parts
}
METHOD_SCOPES: Final[dict[str, set[str]]] = {
    "apps_connections_open": set(),  # an app-level token's connections:write, which a manifest cannot ask for
    "auth_test": set(),
    "chat_postEphemeral": {"chat:write"},
    "chat_postMessage": {"chat:write"},
    "chat_update": {"chat:write"},
    "conversations_history": {"channels:history", "groups:history"},
    "conversations_info": {"channels:read", "groups:read"},
    "conversations_list": {"channels:read", "groups:read"},
    "conversations_replies": {"channels:history", "groups:history"},
    "usergroups_users_list": {"usergroups:read"},
    "users_info": {"users:read"},
    "views_open": set(),
    "views_publish": set(),
    "views_update": set(),
}
"""The Web API methods that the bot may call, and what each needs in public and private channels."""
FAMILIES: Final = (
    "admin|api|apps|assistant|auth|bookmarks|bots|calls|canvases|chat|conversations|dialog|dnd|emoji|files|functions|"
    "migration|oauth|openid|pins|reactions|reminders|search|slackLists|stars|team|tooling|usergroups|users|views|workflows"
)
CALL: Final = re.compile(rf"\.((?:{FAMILIES})_[A-Za-z_]+)\(")


def test_slack_accepts_it() -> None:
    jsonschema.validate(MANIFEST, SCHEMA)


def test_the_schema_is_strict_enough_to_refuse_a_typing_error() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**MANIFEST, "setings": {}}, SCHEMA)


def test_it_registers_the_commands_that_we_listen_to() -> None:
    commands = MANIFEST["features"]["slash_commands"]

    assert [command["command"] for command in commands] == [command.value for command in SlashCommand]
    assert [hint.strip() for hint in re.split(r" \| ", commands[0]["usage_hint"])] == [
        usage for usage, _ in USAGE.values()
    ]
    assert len(USAGE) == len(Subcommand)


def test_it_subscribes_to_the_events_that_we_listen_to() -> None:
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]

    assert events == [event.value for event in Event]


def test_it_offers_the_shortcuts_that_we_know_in_the_menu_of_every_message() -> None:
    shortcuts = MANIFEST["features"]["shortcuts"]

    assert [shortcut["callback_id"] for shortcut in shortcuts] == [shortcut.value for shortcut in Shortcut]
    assert {shortcut["type"] for shortcut in shortcuts} == {"message"}


def test_it_asks_for_exactly_the_scopes_that_our_methods_need() -> None:
    needed = {"commands"}.union(*METHOD_SCOPES.values())

    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == needed
    assert MANIFEST["oauth_config"]["scopes"]["bot"] == sorted(needed)
    assert list(MANIFEST["oauth_config"]["scopes"]) == ["bot"]


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_no_method_is_called_that_is_not_accounted_for(path: str) -> None:
    assert set(CALL.findall(SOURCES[path])) <= set(METHOD_SCOPES)
    assert ".api_call(" not in SOURCES[path]


def test_calls_are_found_at_all() -> None:
    assert CALL.findall("await self._client.chat_postMessage(channel=c)") == ["chat_postMessage"]


def test_socket_mode_is_the_default_and_tokens_do_not_die_by_themselves() -> None:
    settings = MANIFEST["settings"]

    assert settings["socket_mode_enabled"] is True
    assert settings["token_rotation_enabled"] is False
    assert settings["interactivity"]["is_enabled"] is True
    assert MANIFEST["features"]["app_home"]["home_tab_enabled"] is True


def test_the_local_workspace_can_install_it() -> None:
    app = app_from_manifest(MANIFEST)

    assert (app.name, app.home_tab, app.events) == ("Operator", True, frozenset(Event))
    assert [command.name for command in app.commands] == list(SlashCommand)
    assert [shortcut.callback_id for shortcut in app.shortcuts] == list(Shortcut)


def test_the_demo_offers_the_same_menu() -> None:
    assert APP.shortcuts == app_from_manifest(MANIFEST).shortcuts


def test_ids_are_noun_dot_verb_and_unique() -> None:
    ids = [*Button, *Modal, *Field, *Shortcut]

    assert [one.value for one in ids if not re.fullmatch(r"[a-z_]+\.[a-z_]+", one.value)] == []
    assert len({one.value for one in [*ids, *MessageEvent]}) == len(ids) + len(MessageEvent)
