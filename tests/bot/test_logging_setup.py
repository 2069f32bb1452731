import io
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.logging_setup import LONGEST, QUIET, LineFormatter, secrets_of, set_up_logging
from bot.settings import Settings

BOT_TOKEN: Final = "xoxb-1111-canary"
SECRET: Final = "s1gning-canary"
INGEST: Final = "ingest-canary-0123456789"
LINE: Final = re.compile(
    r'time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=[A-Z]+ logger=\S+( [A-Za-z0-9_]+=([^\s"]+|"([^"\\]|\\.)*"))+'
)


@pytest.fixture
def settings() -> Settings:
    return Settings(
        slack_bot_token=SecretStr(BOT_TOKEN),
        slack_signing_secret=SecretStr(f"{SECRET},{SECRET}-longer"),
        ingest_token=SecretStr(INGEST),
    )


@pytest.fixture
def written(settings: Settings) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), {name: logging.getLogger(name).level for name in QUIET})
    stream = io.StringIO()
    set_up_logging(settings, stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.setLevel(before[0])
    root.handlers = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def formatted(message: str, *arguments: object, **extra: object) -> str:
    record = logging.LogRecord("bot.x", logging.INFO, __file__, 1, message, arguments, None)
    vars(record).update(extra)
    return LineFormatter().format(record)


def caught(error: Exception) -> Exception:
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.value


def test_a_line_says_when_in_utc_how_bad_where_and_what(written: io.StringIO) -> None:
    logging.getLogger("bot.serve").warning("%d actions wait", 3, extra={"reference": "ab12"})

    line = written.getvalue().rstrip("\n")
    assert LINE.fullmatch(line)
    assert line.endswith('Z level=WARNING logger=bot.serve msg="3 actions wait" reference=ab12')


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("x\ntime=2026 level=INFO msg=forged", r"x\ntime=2026"),
        ("x\r\nforged", r"x\r\nforged"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\x00\x07\x7f", r"\x00\x07\x7f"),
        ("\u200bhidden\ufeff", r"\u200bhidden\ufeff"),
        ("\ud800", r"\ud800"),
        ('" level=CRITICAL msg="', r"\" level=CRITICAL msg=\""),
        ("\\n", r"\\n"),
    ],
)
def test_nobodys_text_can_begin_a_line_end_a_value_or_move_the_cursor(hostile: str, shown: str) -> None:
    line = formatted("said %s", hostile)

    assert shown in line
    assert LINE.fullmatch(line)
    assert line.isprintable()


@given(st.text(), st.text(), st.text())
def test_every_record_is_one_printable_line_of_the_same_form(message: str, argument: str, extra: str) -> None:
    for line in (formatted("%s", message), formatted(message, argument), formatted("x", reference=extra)):
        assert LINE.fullmatch(line)
        assert line.isprintable()


def test_a_traceback_stands_on_the_line_of_its_record(written: io.StringIO) -> None:
    logging.getLogger("bot.x").error("it broke", exc_info=caught(RuntimeError("broken\nin two")))

    lines = written.getvalue().splitlines()
    assert len(lines) == 1
    assert r"RuntimeError: broken\nin two" in lines[0]


def test_what_goes_wrong_in_a_log_call_does_not_cost_what_it_was_to_say() -> None:
    line = formatted("three %s of %s", "words")

    assert "three %s of %s" in line
    assert "'words'" in line


def test_secrets_and_whatever_looks_like_a_token_never_appear(written: io.StringIO, settings: Settings) -> None:
    log = logging.getLogger("bot.x")
    for secret in (*secrets_of(settings), "xapp-1-A0-canary", "xoxe.xoxp-1-canary"):
        log.warning("sent %s to Slack", secret, extra={"header": f"Bearer {secret}"})
        log.error("it broke", exc_info=caught(ValueError(secret)))

    assert set(secrets_of(settings)) >= {BOT_TOKEN, SECRET, f"{SECRET}-longer", INGEST}
    assert "canary" not in written.getvalue()
    assert "-longer" not in written.getvalue()
    assert "[hidden]" in written.getvalue()


def test_a_flood_is_cut_and_keeps_its_end() -> None:
    line = formatted("x" * 100_000 + " the end")

    assert len(line) < LONGEST + 200
    assert line.endswith(' the end"')
    assert "(cut)" in line


@pytest.mark.parametrize("name", [*QUIET, "slack_bolt.AsyncApp", "slack_sdk.web.async_base_client", "uvicorn.access"])
def test_libraries_that_write_whole_requests_are_quiet_even_when_everything_else_is_not(
    written: io.StringIO, settings: Settings, name: str
) -> None:
    set_up_logging(settings, stream=written, level=logging.DEBUG)
    logging.getLogger(name).info("the body: %s", "secret")
    logging.getLogger("bot.x").debug("ours")

    assert "the body" not in written.getvalue()
    assert "ours" in written.getvalue()


def test_the_sdk_says_in_one_short_line_that_it_cannot_connect(written: io.StringIO) -> None:
    log = logging.getLogger("slack_sdk.socket_mode.aiohttp")
    log.error("Failed to connect (error: refused)", exc_info=caught(ConnectionError("refused")))

    assert "Failed to connect" in written.getvalue()
    assert "Traceback" not in written.getvalue()


def test_warnings_are_lines_like_any_other(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old\nthing", stacklevel=1)

    assert LINE.fullmatch(written.getvalue().rstrip("\n"))
