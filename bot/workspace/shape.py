"""Small checks that compose into the description of a JSON shape, worded as Slack words its refusals.

A check takes a value and its JSON pointer and yields one sentence per problem; a valid value yields none.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[Any, str], Iterator[str]]


def say(problem: str, pointer: str) -> str:
    """Return *problem* with the place where it was found."""
    return f"{problem} [json-pointer:{pointer}]"


def string(longest: int | None = None, *, shortest: int = 1) -> Check:
    """A string of *shortest* to *longest* code points."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield say("must provide a string", pointer)
        elif len(value) < shortest:
            yield say(f"must be more than {shortest - 1} characters", pointer)
        elif longest is not None and len(value) > longest:
            yield say(f"must be less than {longest + 1} characters", pointer)

    return check


def url(longest: int = 3000) -> Check:
    """An absolute http or https address."""
    length = string(longest)

    def check(value: Any, pointer: str) -> Iterator[str]:
        problems = list(length(value, pointer))
        if not problems and not _is_web_address(value):
            problems = [say("invalid_url", pointer)]
        yield from problems

    return check


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and not any(char.isspace() for char in value)


def is_numeral(text: str, *, decimal: bool) -> bool:
    """Whether *text* is a number as people type it: -10 or, with *decimal*, 0.25; never 1e3."""
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?" if decimal else r"-?[0-9]+", text) is not None


def numeral(value: Any, pointer: str) -> Iterator[str]:
    """Check for a string that is a number."""
    if not isinstance(value, str) or not is_numeral(value, decimal=True):
        yield say("must provide a number as a string", pointer)


def integer(least: int | None = None, most: int | None = None) -> Check:
    """A whole number within inclusive bounds; JSON's true and false are no numbers."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield say("must provide an integer", pointer)
        elif least is not None and value < least:
            yield say(f"must be greater than or equal to {least}", pointer)
        elif most is not None and value > most:
            yield say(f"must be less than or equal to {most}", pointer)

    return check


def number(value: Any, pointer: str) -> Iterator[str]:
    """Check for any number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        yield say("must provide a number", pointer)


def boolean(value: Any, pointer: str) -> Iterator[str]:
    """Check for true or false."""
    if not isinstance(value, bool):
        yield say("must provide a boolean", pointer)


def anything(value: Any, pointer: str) -> Iterator[str]:  # noqa: ARG001 - the signature of a check
    """Accept whatever there is."""
    return iter(())


def choice(*allowed: str) -> Check:
    """One of the strings *allowed*."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if value not in allowed:
            yield say(f"must be a valid enum value: {', '.join(allowed)}", pointer)

    return check


def array(item: Check, most: int | None = None, *, least: int = 0) -> Check:
    """A list of *least* to *most* items that each pass *item*."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield say("must provide an array", pointer)
            return
        if len(value) < least:
            yield say(f"no less than {least} items allowed", pointer)
        if most is not None and len(value) > most:
            yield say(f"no more than {most} items allowed", pointer)
        for index, element in enumerate(value):
            yield from item(element, f"{pointer}/{index}")

    return check


def record(required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None) -> Check:
    """An object with every *required* key and no key beyond those and the *optional* ones."""
    needed = dict(required or {})
    known = needed | dict(optional or {})

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield say("must provide an object", pointer)
            return
        for key in needed.keys() - value.keys():
            yield say(f"missing required field: {key}", pointer)
        for key, inner in value.items():
            if key in known:
                yield from known[key](inner, f"{pointer}/{key}")
            else:
                yield say(f"invalid additional property: {key}", pointer)

    return check


def mapping(item: Check) -> Check:
    """An object whose values all pass *item*, whatever its keys."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield say("must provide an object", pointer)
            return
        for key, inner in value.items():
            yield from item(inner, f"{pointer}/{key}")

    return check


def nullable(inner: Check) -> Check:
    """What passes *inner*, or null."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        return iter(()) if value is None else inner(value, pointer)

    return check


def tagged(kinds: Mapping[str, Check]) -> Check:
    """An object whose ``type`` names the check that its other keys must pass."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield say("must provide an object", pointer)
        elif "type" not in value:
            yield say("missing required field: type", pointer)
        elif not isinstance(value["type"], str) or value["type"] not in kinds:
            yield say(f"unsupported type: {value['type']}", f"{pointer}/type")
        else:
            yield from kinds[value["type"]]({key: inner for key, inner in value.items() if key != "type"}, pointer)

    return check


def every(*checks: Check) -> Check:
    """What passes all *checks*."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        for one in checks:
            yield from one(value, pointer)

    return check


def exactly_one_of(*keys: str) -> Check:
    """An object that has exactly one of *keys*."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if isinstance(value, dict) and sum(key in value for key in keys) != 1:
            yield say(f"must provide exactly one of: {', '.join(keys)}", pointer)

    return check


def all_or_none_of(*keys: str) -> Check:
    """An object that has all of *keys* or none."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if isinstance(value, dict) and 0 < sum(key in value for key in keys) < len(keys):
            yield say(f"must provide all or none of: {', '.join(keys)}", pointer)

    return check


def at_least_one_of(*keys: str) -> Check:
    """An object that has one of *keys* or several."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if isinstance(value, dict) and not any(value.get(key) for key in keys):
            yield say(f"must provide at least one of: {', '.join(keys)}", pointer)

    return check
