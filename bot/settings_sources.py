"""Where a configuration is read from: the file, and the environment above it."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from actions.errors import ConfigurationError
from bot.settings_problems import secrets_in
from bot.settings_values import database_file, database_url

PREFIX: Final = "OPERATOR__"
CONFIG_VARIABLE: Final = "OPERATOR_CONFIG"
DEFAULT_FILE: Final = "operator.toml"
DEFAULT_DATABASE: Final = "sqlite:///operator.db"
DEFAULT_STATE_DIR: Final = "state"
SECRETS: Final = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_API_URL",
    "OPERATOR_INGEST_TOKEN",
    "OPERATOR_ADMIN_TOKEN",
)
"""Variables without the prefix."""


def config_file(environ: Mapping[str, str]) -> Path:
    """Return where the file is, or would be."""
    return Path.cwd() / (environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def require_place(environ: Mapping[str, str]) -> None:
    """Refuse to guess: without file, variable or database, another directory was probably meant.

    Raises:
        ConfigurationError
    """
    file = config_file(environ)
    if file.is_file():
        return
    if environ.get(CONFIG_VARIABLE):
        raise ConfigurationError(
            f"{CONFIG_VARIABLE} names {file}, and there is no such file. Correct the variable, or run `operator init`."
        )
    database = database_file(database_url(DEFAULT_DATABASE, file.parent))
    named = any(name.upper() == f"{PREFIX}DATABASE" and value for name, value in environ.items())
    if not named and not (database and database.exists()):
        raise ConfigurationError(
            f"There is no {DEFAULT_FILE} in {file.parent}. Change to the directory where it is, set "
            f"{CONFIG_VARIABLE}=/path/to/{DEFAULT_FILE}, or run `operator init` to make one here."
        )


def likely_state_dir(environ: Mapping[str, str]) -> Path | None:
    """Return where the state directory is if the configuration cannot be used otherwise; None if nothing tells.

    For the kill switch, which must not wait until somebody has mended a typing error.
    """
    file = config_file(environ)
    if not file.is_file():
        return None
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8")).get("state_dir")
    except (OSError, ValueError):
        written = None
    set_above = next((value for name, value in environ.items() if name.upper() == f"{PREFIX}STATE_DIR" and value), None)
    if set_above is not None:
        return Path.cwd() / set_above
    return file.parent / (written if isinstance(written, str) else DEFAULT_STATE_DIR)


def refusal(problems: Sequence[str]) -> ConfigurationError:
    """Return one error that tells all *problems*."""
    if len(problems) == 1:
        return ConfigurationError(f"The configuration cannot be used. {problems[0]}")
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return ConfigurationError(f"The configuration cannot be used; {len(problems)} things are wrong:\n{lines}")


class File(PydanticBaseSettingsSource):
    """The TOML file. Paths in it, and the defaults of paths, are seen from its directory."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path) -> None:
        super().__init__(settings_cls)
        self._path = path

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        """Return nothing: the file is read as a whole, so that unknown keys are found."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the file's table.

        Raises:
            ConfigurationError: it cannot be read, others may write it, or secrets stand in it.
        """
        table = _parsed(self._path) if self._path.is_file() else {}
        secrets = list(secrets_in(table))
        if secrets:
            raise refusal(secrets)
        return _seen_from(self._path.parent, {"database": DEFAULT_DATABASE, "state_dir": DEFAULT_STATE_DIR} | table)


class Environment(PydanticBaseSettingsSource):
    """`OPERATOR__SECTION__KEY` in any case, and the secrets. Lists and tables are JSON; paths are seen from here."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = environ

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        """Return nothing: the environment is read as a whole, so that unknown names are found."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what is set, nested like the file; empty variables count as not set.

        Raises:
            ConfigurationError: a variable holds broken JSON, or contradicts another.
        """
        found: dict[str, Any] = {name: self._environ[name] for name in SECRETS if self._environ.get(name)}
        for name, text in sorted(self._environ.items()):
            if text and name.upper().startswith(PREFIX):
                _put(found, name, _value(name, text))
        return _seen_from(Path.cwd(), found)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_mode & 0o002:
            raise ConfigurationError(f"{path} can be changed by anybody on this machine. Run: chmod o-w {path}")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}. Correct that place; nothing was read.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8. Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Run as the bot's own user.") from None


def _seen_from(home: Path, table: dict[str, Any]) -> dict[str, Any]:
    database, state_dir = table.get("database"), table.get("state_dir")
    if isinstance(database, str):
        with suppress(ValueError):  # told together with everything else that is wrong
            table["database"] = database_url(database, home)
    if isinstance(state_dir, str):
        table["state_dir"] = str(home / state_dir)
    return table


def _value(name: str, text: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f'{name} is not valid JSON: {error}. For example: {name}=["one", "two"]') from None


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name[len(PREFIX) :].lower().split("__")
    for key in path:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"{name} contradicts another variable that sets all of {key}. Remove one of them.")
        table = inner
    table[last] = value
