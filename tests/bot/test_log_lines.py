import io
import logging

from bot.log_lines import log_handler


def written(*, level: int, name: str, message: str) -> str:
    out = io.StringIO()
    record = logging.LogRecord(name, level, __file__, 1, message, None, None)
    record.created, record.msecs = 1_790_000_000.5, 500.0
    log_handler(out).handle(record)
    return out.getvalue()


def test_a_line_says_when_in_utc_how_bad_where_and_what() -> None:
    line = written(level=logging.WARNING, name="bot.serve", message="stopping")
    assert line == "2026-09-21T14:13:20.500Z WARNING bot.serve: stopping\n"


def test_what_bolt_says_of_a_token_that_it_need_not_use_is_left_out() -> None:
    said = "As you gave `client` as well, `token` will be unused."
    assert written(level=logging.WARNING, name="slack_bolt.AsyncApp", message=said) == ""
