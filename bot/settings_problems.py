"""What is wrong with a configuration, in words: the key, what it is, what it should be, and how to write that. Pure."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.settings_values import has_password

_SECRET_KEY: Final = re.compile(r"(?:.*_)?(?:password|passwd|secret|token|api_key|apikey|credentials?)")
_SECRET_VALUE: Final = re.compile(r"xox[a-z]-|xapp-|-----BEGIN [A-Z ]*PRIVATE KEY")
_VERBS: Final = ("approve", "cancel", "kill", "set_mode", "resolve", "edit", "review", "break_glass")
_OUR_TOKENS: Final = ("INGEST_TOKEN", "ADMIN_TOKEN")
_WINDOWS: Final = ("freezes", "maintenance")
_Loc = tuple[int | str, ...]


def in_words(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one sentence per problem that *model* found."""
    return [_sentence(detail, model) for detail in error.errors(include_url=False, include_context=False)]


def contradictions(raw: object) -> list[str]:
    """Return one sentence per place where well-formed parts of a configuration do not fit together."""
    table = _mapping(raw)
    return [
        *_unknown_names(table),
        *_shared_identities(table),
        *_unknown_subjects(table),
        *_repeated_digests(table),
        *_repeated_rules(table),
        *_repeated_windows(table),
        *_unclear_windows(table),
        *_homeless_digests(table),
        *_swapped_tokens(table),
        *_one_token_for_two(table),
    ]


def secrets_in(table: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield one sentence per secret that stands in the file."""
    for key, value in table.items():
        where = f"{at}{key}"
        if isinstance(value, Mapping):
            yield from secrets_in(value, f"{where}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from secrets_in({f"{key}[{index}]": item}, at)
        elif isinstance(value, str) and _is_secret(key, value):
            yield (
                f"{where} is a secret, and secrets do not belong in a file that is copied around. Remove it there and "
                f"set the environment variable {_variable(where)}."
            )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the likeliest of *known*, or a list of all of them."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f'Did you mean "{close[0]}"?' if close else f"Known: {', '.join(names) or 'none'}."


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    loc = tuple(part for part in detail["loc"] if part != "[key]")
    owner, field = _found(model, loc)
    where = _path(loc)
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}: there is no such key. {did_you_mean(str(loc[-1]), _keys(owner))}"
        case "missing":
            return f"{where} is missing.{_wanted(loc, field)}"
        case "string_pattern_mismatch" | "enum" | "literal_error":
            return f"{where}{_got(loc, detail)} is not one that can be used.{_wanted(loc, field)}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{where}{_got(loc, detail)} is out of range.{_wanted(loc, field)}"
        case "value_error":
            return f"{where}: {detail['msg'].removeprefix('Value error, ')}.{_wanted(loc, field)}"
        case _:
            return f"{where}{_got(loc, detail)}: {detail['msg'][:1].lower()}{detail['msg'][1:]}.{_wanted(loc, field)}"


def _got(loc: _Loc, detail: ErrorDetails) -> str:
    if _is_secret(str(loc[-1]) if loc else "", "") or loc[:1] == ("subjects",):
        return ""
    text = repr(detail["input"])
    return f" = {text if len(text) <= 60 else f'{text[:57]}…'}"


def _wanted(loc: _Loc, field: FieldInfo | None) -> str:
    if field is None or not field.description:
        return ""
    key = next((part for part in reversed(loc) if isinstance(part, str)), "")
    example = f" For example: {key} = {field.examples[0]}" if field.examples else ""
    return f" Expected {field.description}.{example}"


def _found(model: type[BaseModel], loc: _Loc) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    inner: list[type[BaseModel]] = [model]
    for part in loc:
        if inner and isinstance(part, str):
            owner = inner[0]
            found = _field(owner, part)
            if found is not None:
                field, inner = found, _models(found.annotation)
                continue
            field = None if not _is_table_of(field) else field
    return owner, field


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    aliases = {field.validation_alias: field for field in model.model_fields.values()}
    return model.model_fields.get(name) or aliases.get(name)


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _is_table_of(field: FieldInfo | None) -> bool:
    return field is not None and bool(_models(field.annotation))


def _path(loc: Sequence[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the file"


def _is_secret(key: str, value: str) -> bool:
    return bool(_SECRET_KEY.fullmatch(key.lower()) or _SECRET_VALUE.match(value) or has_password(value))


def _variable(where: str) -> str:
    name = where.upper()
    if name.startswith(("SLACK_", "OPERATOR_")):
        return name
    return f"OPERATOR_{name}" if name in _OUR_TOKENS else f"OPERATOR__{name.replace('.', '__')}"


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    return value if isinstance(value, Mapping) else {}


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _mapping(raw.get(key))


def _list(raw: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = raw.get(key)
    return found if isinstance(found, list | tuple) else ()


def _tables(raw: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [_mapping(item) for item in _list(raw, key)]


def _unknown_names(raw: Mapping[str, Any]) -> Iterator[str]:
    people, groups = _table(raw, "people"), _table(raw, "groups")
    known = {*people, *(f"group:{name}" for name in groups)}
    for where, name in _allowed(raw):
        if name not in known:
            yield f"{where}: nobody in [people] or [groups] is called {name!r}. {did_you_mean(name, known)}"
    for where, name in _members(raw):
        if name not in people:
            yield f"{where}: nobody in [people] is called {name!r}. {did_you_mean(name, people)}"
    for where, name in _needed(raw):
        if name not in groups:
            yield f"{where}: there is no [groups.{name}]. {did_you_mean(name, groups)}"


def _members(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for group, table in _table(raw, "groups").items():
        yield from ((f"groups.{group}.members", name) for name in _texts(_mapping(table), "members"))


def _needed(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, quorum in enumerate(_tables(raw, "quorums")):
        yield from ((f"quorums[{index}].needs", name) for name in _texts(quorum, "needs"))


def _allowed(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for verb in _VERBS:
        yield from ((f"approvers.{verb}", name) for name in _texts(_table(raw, "approvers"), verb))
    for key in ("grants", "denials"):
        for index, clause in enumerate(_tables(raw, key)):
            yield from ((f"{key}[{index}].who", name) for name in _texts(clause, "who"))


def _texts(raw: Mapping[str, Any], key: str) -> list[str]:
    return [item for item in _list(raw, key) if isinstance(item, str)]


def _shared_identities(raw: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("slack", "cli"):
        owners: dict[str, list[str]] = {}
        for person, table in _table(raw, "people").items():
            for identity in {item for item in _list(_mapping(table), kind) if isinstance(item, str)}:
                owners.setdefault(identity, []).append(person)
        for identity, names in sorted(owners.items()):
            if len(names) > 1:
                yield (
                    f"people.{names[1]}.{kind}: {identity} is listed for {names[0]} too. "
                    "One identity belongs to one person, so that nobody counts twice; remove one of them."
                )


def _unknown_subjects(raw: Mapping[str, Any]) -> Iterator[str]:
    subjects = _table(raw, "subjects")
    for index, route in enumerate(_tables(raw, "routes")):
        name = route.get("subject")
        if isinstance(name, str) and name not in subjects:
            yield f"routes[{index}].subject: there is no [subjects.{name}]. {did_you_mean(name, subjects)}"
    for index, rule in enumerate(_tables(raw, "unattended")):
        name = rule.get("subject")
        if isinstance(name, str) and not any(fnmatchcase(subject, name) for subject in subjects):
            yield f"unattended[{index}].subject: no [subjects.…] is called {name!r}. {did_you_mean(name, subjects)}"


def _repeated_digests(raw: Mapping[str, Any]) -> Iterator[str]:
    for name, count in _repeated(raw, "digests"):
        yield f"digests: {count} are called {name!r}. Each needs its own name: it is posted once per name and time."


def _repeated_rules(raw: Mapping[str, Any]) -> Iterator[str]:
    for name, count in _repeated(raw, "unattended"):
        yield f"unattended: {count} are called {name!r}. Each needs its own name: it stands for who approved."


def _repeated_windows(raw: Mapping[str, Any]) -> Iterator[str]:
    for key in _WINDOWS:
        for name, count in _repeated(raw, key):
            yield f"{key}: {count} are called {name!r}. Each needs its own name: people are told it as the reason."


def _repeated(raw: Mapping[str, Any], key: str) -> list[tuple[str, int]]:
    names = Counter(str(table["name"]) for table in _tables(raw, key) if "name" in table)
    return [(name, count) for name, count in names.items() if count > 1]


def _unclear_windows(raw: Mapping[str, Any]) -> Iterator[str]:
    for key in _WINDOWS:
        for index, table in enumerate(_tables(raw, key)):
            given = {name for name, value in table.items() if value is not None}
            yield from _unclear_window(f"{key}[{index}]", given)


def _unclear_window(where: str, given: Collection[str]) -> Iterator[str]:
    recurring, once = "cron" in given, "from" in given or "until" in given
    if recurring and once:
        yield f"{where}: cron comes again and again, from and until come once. Keep one, or make it two windows."
    elif recurring and "duration" not in given:
        yield f'{where}.duration is missing: cron says only when it begins. Write, for example: duration = "8h"'
    elif once and "duration" in given:
        yield f"{where}.duration goes with cron; from and until say it already. Remove it."
    elif not recurring and not once:
        yield (
            f'{where}: nothing says when. Write cron = "0 22 * * *" and duration = "8h" for what comes again, '
            'or from = "2026-12-20 00:00" and until = "2027-01-02 08:00" for what comes once.'
        )


def _homeless_digests(raw: Mapping[str, Any]) -> Iterator[str]:
    for index, digest in enumerate(_tables(raw, "digests")):
        if not digest.get("channel") and not raw.get("channel"):
            yield f'digests[{index}].channel is missing, and there is no default. Write: channel = "C0123456789"'


def _swapped_tokens(raw: Mapping[str, Any]) -> Iterator[str]:
    for variable, own, other in (("SLACK_BOT_TOKEN", "xoxb-", "xapp-"), ("SLACK_APP_TOKEN", "xapp-", "xox")):
        token = str(raw.get(variable) or "")
        if token.startswith(other):
            yield (
                f"{variable} holds another kind of token: it begins with {other!r}, expected {own!r}. "
                "The bot token is under “OAuth & Permissions”, the app token under “Basic Information”."
            )


def _one_token_for_two(raw: Mapping[str, Any]) -> Iterator[str]:
    ingest, admin = (_secret(raw.get(f"OPERATOR_{name}") or raw.get(name.lower())) for name in _OUR_TOKENS)
    if ingest and ingest == admin:
        yield (
            "OPERATOR_ADMIN_TOKEN is the same as OPERATOR_INGEST_TOKEN. Whoever hands in diagnoses could then stop "
            "everything; make another one: openssl rand -hex 32"
        )


def _secret(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
