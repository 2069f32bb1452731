"""What `operator run` writes on standard error: one line for each record, in UTC, without bodies and secrets."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from pydantic import SecretStr

from bot.settings import Settings

LONGEST: Final = 8_000
"""Characters of one value; of more, such as a deep traceback, the end is kept."""
QUIET: Final = (
    "aiohttp",
    "alembic",
    "apscheduler",
    "asyncio",
    "httpcore",
    "httpx",
    "slack_bolt",
    "slack_sdk",
    "sqlalchemy",
    "uvicorn",
)
"""Libraries that write whole requests, or every step they take, below WARNING; they stay quiet at every level."""
_TOKEN: Final = re.compile(r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{4,}")
_HIDDEN: Final = "[hidden]"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@+-]+")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_RECONNECTING: Final = "slack_sdk.socket_mode"


def set_up_logging(settings: Settings, *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Have everything logged to *stream*, standard error if None; what was set up before is replaced.

    The secrets in *settings*, and whatever looks like a token of Slack's, never appear.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(secrets_of(settings)))
    handler.addFilter(_without_known_traceback)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def secrets_of(settings: Settings) -> list[str]:
    """Return every secret that the settings hold."""
    held = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    return [*held, *settings.signing_secrets]


class LineFormatter(logging.Formatter):
    r"""`time=… level=… logger=… msg="…"`, then further fields; nobody's text can begin a line or move the cursor.

    Quotes and backslashes are escaped by a backslash, and what is not printable as in Python (`\n`, `\x1b`, `\u202e`).
    """

    def __init__(self, hide: Iterable[str] = ()) -> None:
        """Format records; *hide* are texts that never appear."""
        super().__init__()
        # The longest first, so that no end of one is left over by another.
        self._hide = sorted({secret for secret in hide if secret}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, object] = {
            "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "msg": _said(record),
            **_extra(record),
        }
        if record.exc_info:
            fields["exc"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return " ".join(f"{_name(name)}={self._value(value)}" for name, value in fields.items())

    def _value(self, value: object) -> str:
        text = str(value)
        for secret in self._hide:
            text = text.replace(secret, _HIDDEN)
        text = _TOKEN.sub(_HIDDEN, text)
        if len(text) > LONGEST:
            text = f"… (cut) {text[-LONGEST:]}"
        return text if _PLAIN.fullmatch(text) else f'"{"".join(map(_escaped, text))}"'


def _said(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - boundary: a slip in a log call must not cost what it was to say
        return f"{record.msg} {record.args!r} ({error})"


def _extra(record: logging.LogRecord) -> Mapping[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _without_known_traceback(record: logging.LogRecord) -> bool:
    # That Slack cannot be reached is said in the message; the SDK adds its own insides at every attempt.
    if record.name.startswith(_RECONNECTING):
        record.exc_info = record.exc_text = None
    return True
