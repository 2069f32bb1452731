"""Texts, shortened and spelled out."""

from datetime import timedelta

import pytest

from bot.views.plain import CUT, exact, fallback, fits, line, passage
from bot.views.times import age, duration, left, moment
from tests.bot.views.samples import NOW


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("n1", "n1"),
        ("", "(empty)"),
        ("a\nb", "a\\nb"),
        ("n1\u202e", "n1\\u202e"),
        ("\\u202e", "\\\\u202e"),
        ("etcd\u200b", "etcd\\u200b"),
        ("\u0435tcd", "\\u0435tcd"),
        ("\U0001f600", "\\ud83d\\ude00"),
        ("\ud800", "\\ud800"),
        ("\x1b[31m", "\\u001b[31m"),
    ],
)
def test_identifiers_are_spelled_out(text: str, shown: str) -> None:
    assert exact(text, 100) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 字 😀 naïve", "Größe 字 😀 naïve"),
        ("a\n\n\n  b\r\nc\t d", "a\nb\nc d"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth\u2066", "zero\\u200bwidth\\u2066"),
        ("blank\u3164\u2800", "blank\\u3164\\u2800"),
        ("z\u0301\u0301\u0301\u0301\u0301", "z\u0301\u0301\u0301\\u0301\\u0301"),
        ("\x00\x07\x7f", "\\u0000\\u0007\\u007f"),
        (" \n ", "(empty)"),
    ],
)
def test_prose_stays_readable_and_shows_its_tricks(text: str, shown: str) -> None:
    assert passage(text, 100) == shown


def test_a_line_is_one_line() -> None:
    assert line("a\n b\u2028c", 100) == "a b c"


def test_a_cut_is_visible_whatever_was_cut() -> None:
    assert line("x" * 101, 100) == "x" * (100 - len(CUT)) + CUT
    assert line("\n" * 100_000 + "hidden", 100).endswith(CUT)
    assert passage("a\n" * 100, 1_000, lines=3) == f"a\na\na{CUT}"
    assert exact("x" * 101, 100, rest="… more").endswith("… more")


def test_a_cut_never_splits_what_was_spelled_out() -> None:
    shown = [exact("\u202e" * 50, most).removesuffix(CUT) for most in range(20, 60)]

    assert {text.replace("\\u202e", "") for text in shown} == {""}


def test_what_fits_is_told_before_it_is_shown() -> None:
    assert fits("x" * 10, 10)
    assert not fits("x" * 11, 10)
    assert not fits("\u202e" * 2, 10)


def test_the_top_level_text_has_no_live_markup() -> None:
    assert fallback("<!here> & http://x", 100) == "&lt;!here&gt; &amp; http[:]//x"
    assert fallback("<" * 100, 20) == "&lt;" * 3 + CUT


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3_599, "59 min"),
        (3_600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_times_name_the_moment_they_are_seen_from() -> None:
    assert moment(NOW) == "2026-03-01 02:12:05 UTC"
    assert age(NOW - timedelta(minutes=5), NOW) == "5 min old at 02:12:05 UTC"
    assert left(NOW + timedelta(minutes=5), NOW) == "5 min from 02:12:05 UTC"
    assert left(NOW, NOW) == "over"
