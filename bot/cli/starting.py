"""`operator init`: a configuration to begin with, and how to go on."""

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from actions.errors import ConfigurationError, ConflictError
from bot.cli.caller import login
from bot.cli.output import literal, say
from bot.settings import load
from bot.settings_sources import CONFIG_VARIABLE, config_file
from bot.wiring import opened

_OURS_ALONE: Final = 0o600
_NEXT: Final = """
Next:
  1. Make the Slack app: api.slack.com/apps, Create New App, From a manifest; paste manifest.yml of operator-bot.
  2. Get its two tokens, and set them in the environment of the bot:
       Basic Information, App-Level Tokens, scope connections:write   export SLACK_APP_TOKEN=xapp-…
       Install App, Bot User OAuth Token                              export SLACK_BOT_TOKEN=xoxb-…
     Invite the bot to your channel, and set `channel`, [people] and [subjects] in operator.toml.
  3. operator doctor    checks everything and says what is missing
     operator run       starts the bot. It only observes, until: operator actions mode execute "why"

Without Slack, `operator demo` shows all of it on this machine."""


async def init() -> int:
    """Write the file, make the state directory and the database, and say what comes next."""
    path = config_file(os.environ)
    _write(path, _filled_in())
    settings = load()
    async with opened(settings):
        pass  # made by opening
    say(f"Made {literal(str(path))}, the state directory {literal(str(settings.state_dir))}, and the database.")
    say(_NEXT)
    return 0


def _filled_in() -> str:
    template = files("bot.cli").joinpath("starter.toml").read_text(encoding="utf-8")
    name = login()
    person = re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip("_.-") or "me"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return template.replace("{person}", person[:64]).replace("{login}", quoted)


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS_ALONE)
    except FileExistsError:
        raise ConflictError(
            f"There is a configuration already: {path}. It was left as it is. `operator doctor` checks it."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be made ({error.strerror}). Change to another directory, or set {CONFIG_VARIABLE}."
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
