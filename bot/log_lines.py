"""The log of `operator run`: one line for each event, on the error stream, for people and whatever collects it."""

import logging
import time
from typing import Final, TextIO

_LINE: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"
_TALKATIVE: Final = ("alembic", "apscheduler", "httpcore", "httpx", "slack_bolt", "slack_sdk", "uvicorn")
"""Libraries that tell every request; only what goes wrong there is worth a line here."""
_MISTAKEN: Final = ("As you gave `client` as well", "As `installation_store` or `authorize` has been used")
"""Bolt says at every start that it does not use SLACK_BOT_TOKEN itself, which is how it should be."""


def write_log(out: TextIO) -> None:
    """From now on write the log of this process to *out*."""
    logging.basicConfig(level=logging.INFO, handlers=[log_handler(out)])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_handler(out: TextIO) -> logging.Handler:
    """Return what writes a record to *out*: time in UTC, level, where from, and what happened."""
    handler = logging.StreamHandler(out)
    formatter = logging.Formatter(_LINE, datefmt=_TIME)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(_is_meant)
    return handler


def _is_meant(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_MISTAKEN)
