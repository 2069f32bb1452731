"""The configuration's keys as docs/configuration.md lists them, derived from the settings themselves."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from actions.models import Risk
from bot.settings import Settings

_SECRETS = {
    "slack_bot_token",
    "slack_app_token",
    "slack_signing_secret",
    "ingest_token",
    "admin_token",
    "slack_api_url",
}
_NAMED = {"subjects", "people", "groups"}


def rows() -> list[str]:
    """Return one table row for every key of the file."""
    return list(_rows(Settings, ""))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if model is Settings and name in _SECRETS:
            continue
        inner = _section(field.annotation)
        if inner is not None:
            middle = f"{name}.NAME." if name in _NAMED else f"{name}."
            yield from _rows(inner, prefix + middle)
            continue
        example = field.examples[0] if field.examples else ""
        yield f"| `{prefix}{field.alias or name}` | {field.description} | {_default(field)} | `{example}` |"


def _section(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation), *(b for a in get_args(annotation) for b in get_args(a))]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    match value:
        case None | () | "" if value is not PydanticUndefined:
            return "none"
        case timedelta():
            return f"`{int(value.total_seconds())}` s"
        case tuple() if value == tuple(Risk):
            return "all"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return "required" if value is PydanticUndefined else f"`{value}`"
