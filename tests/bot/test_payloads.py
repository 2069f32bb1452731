"""What Slack sends is read whole, or refused without a word of its content."""

import copy
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.errors import BadRequestError
from actions.models import Actor, Caller, Seen, Via
from bot import ids
from bot.payloads import (
    LONGEST_VALUE,
    ButtonPress,
    ButtonValue,
    CommandCall,
    ConfirmRef,
    ConfirmSubmission,
    HomeOpened,
    HomePress,
    MessageShortcut,
    ProposalPress,
    ProposalRef,
    ScopeRef,
    SnoozePress,
    SnoozeValue,
    StopReasonSubmission,
    StopSubmission,
    ViewClosed,
    ViewSubmission,
)

TOKEN: Final = "0c1d" * 8
PARAMS_HASH: Final = "4f" * 32
RECORDED: Final[dict[str, Any]] = {
    "block_actions_approve": ButtonPress,
    "block_actions_approve_by_a_stranger": ButtonPress,
    "block_actions_cancel_in_thread": ButtonPress,
    "block_actions_details_ephemeral": ProposalPress,
    "block_actions_kill_switch_in_home": HomePress,
    "block_actions_snooze_in_thread": SnoozePress,
    "message_action_in_thread": MessageShortcut,
    "slash_command": CommandCall,
    "view_submission": ViewSubmission,
    "view_submission_parameters": ViewSubmission,
    "view_submission_confirm": ConfirmSubmission,
    "view_submission_stop": StopSubmission,
    "view_submission_stop_reason": StopReasonSubmission,
    "view_closed": ViewClosed,
    "app_home_opened": HomeOpened,
}
_DATA: Final = Path(__file__).parents[1] / "data" / "slack"
_TEXTS: Final = {name: (_DATA / f"{name}.json").read_text() for name in RECORDED}


def recorded(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(_TEXTS[name])
    return payload


def put(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the payload with *value* at the dotted *path*, or without it if that is `...`."""
    changed = copy.deepcopy(payload)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = changed
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return changed


def test_every_recorded_payload_is_read_by_one_of_ours() -> None:
    assert {path.stem for path in _DATA.glob("*.json")} == set(RECORDED)


def test_a_press_says_who_pressed_what_where_and_what_was_shown() -> None:
    press = ButtonPress.parse(recorded("block_actions_approve"))

    assert press.proposal_id == 12
    assert press.actor == Actor.slack("T024BE7LD", "U2147483697")
    assert not press.is_foreign
    assert press.seen == Seen(
        button_token=TOKEN,
        params_hash=PARAMS_HASH,
        team_id="T024BE7LD",
        channel_id="C024BE91L",
        message_ts="1772331125.000400",
    )
    assert press.key == "T024BE7LD:C024BE91L:1772331125.000400:proposal.approve:1772331152.416077"
    assert press.caller == Caller(actor=press.actor, via=Via.SLACK, key=press.key)
    assert (press.app_id, press.channel, press.thread) == ("A0KRD7HC3", "C024BE91L", None)
    assert press.trigger_id == "13345224609.738474920.8088930838d88f008e0"
    assert press.response_url == "https://hooks.slack.com/actions/T024BE7LD/1234567890/a1B2c3D4e5F6"


def test_a_press_in_a_thread_knows_its_thread() -> None:
    assert ButtonPress.parse(recorded("block_actions_cancel_in_thread")).thread == "1772331000.000100"


def test_a_person_from_another_workspace_is_named_by_his_own() -> None:
    press = ButtonPress.parse(recorded("block_actions_approve_by_a_stranger"))

    assert press.is_foreign
    assert press.actor == Actor.slack("T0OTHER99", "W81X0STRNG")
    assert (press.team_id, press.user_team_id) == ("T024BE7LD", "T0OTHER99")


def test_a_person_whose_workspace_is_not_said_is_of_the_one_where_it_happened() -> None:
    press = ButtonPress.parse(put(recorded("block_actions_approve"), "user.team_id", ...))

    assert (press.actor, press.is_foreign) == (Actor.slack("T024BE7LD", "U2147483697"), False)


def test_details_can_be_pressed_on_an_answer_that_only_one_person_sees() -> None:
    press = ProposalPress.parse(recorded("block_actions_details_ephemeral"))

    assert (press.proposal_id, press.caller.via) == (12, Via.SLACK)


def test_a_snooze_says_of_what_and_for_how_long() -> None:
    press = SnoozePress.parse(recorded("block_actions_snooze_in_thread"))

    assert (press.proposal_id, press.lasting) == (12, timedelta(minutes=15))
    assert press.key == "T024BE7LD:C024BE91L:1772331725.000600:reminder.snooze:1772331752.416077"
    assert press.caller == Caller(actor=Actor.slack("T024BE7LD", "U2147483697"), via=Via.SLACK, key=press.key)


@pytest.mark.parametrize("minutes", [0, -1, 1_441, 15.0, True, "15", None])
def test_a_snooze_of_no_time_or_of_days_is_refused(minutes: Any) -> None:
    value = json.dumps({"p": 12, "m": minutes}, separators=(",", ":"))
    with pytest.raises(BadRequestError, match=r"cannot be read \(at actions\.0\.value"):
        SnoozePress.parse(put(recorded("block_actions_snooze_in_thread"), "actions.0.value", value))
    assert SnoozeValue(p=12, m=1_440).compact() == '{"p":12,"m":1440}'


def test_a_snooze_is_pressed_on_a_message_and_nowhere_else() -> None:
    with pytest.raises(BadRequestError):
        SnoozePress.parse(put(recorded("block_actions_snooze_in_thread"), "container.type", "view"))


def test_the_kill_switch_can_be_pressed_in_the_home_tab_only() -> None:
    press = HomePress.parse(recorded("block_actions_kill_switch_in_home"))

    assert (press.action_id, press.scope) == (ids.Button.KILL, "*")
    assert press.key == "T024BE7LD:V0HOME0001:kill_switch.throw:1772331152.416077"
    with pytest.raises(BadRequestError):
        HomePress.parse(recorded("block_actions_approve"))


def test_a_shortcut_says_who_asked_about_which_message() -> None:
    shortcut = MessageShortcut.parse(recorded("message_action_in_thread"))

    assert shortcut.callback_id == ids.Shortcut.WHAT_IS_THIS
    assert (shortcut.channel, shortcut.message_ts, shortcut.thread) == (
        "C024BE91L",
        "1772331199.000200",
        "1772331125.000400",
    )
    assert shortcut.actor == Actor.slack("T024BE7LD", "U2147483697")
    assert shortcut.trigger_id == "13345224609.738474920.8088930838d88f008e0"
    assert shortcut.key == f"T024BE7LD:C024BE91L:1772331199.000200:message.explain:{shortcut.trigger_id}"


def test_a_shortcut_needs_no_app_id_and_no_thread() -> None:
    payload = put(recorded("message_action_in_thread"), "message.thread_ts", ...)

    assert "api_app_id" not in payload
    assert MessageShortcut.parse(payload).thread is None
    assert MessageShortcut.parse(payload | {"api_app_id": "A0KRD7HC3"}).app_id == "A0KRD7HC3"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("type", "shortcut"),
        ("callback_id", ...),
        ("callback_id", "message explain"),
        ("trigger_id", ...),
        ("channel", None),
        ("channel.id", "incidents"),
        ("message_ts", ...),
        ("message_ts", "now"),
        ("message.thread_ts", 7),
        ("response_url", "ftp://hooks.slack.com/x"),
    ],
)
def test_a_malformed_shortcut_is_refused(path: str, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="Slack sent a shortcut that cannot be read"):
        MessageShortcut.parse(put(recorded("message_action_in_thread"), path, wrong))


def test_a_command_is_a_verb_and_the_rest() -> None:
    call = CommandCall.parse(recorded("slash_command"))

    assert (call.command, call.verb, call.rest) == (
        ids.SlashCommand.OPERATOR,
        ids.Subcommand.KILL_SWITCH,
        "wrong cluster",
    )
    assert call.actor == Actor.slack("T024BE7LD", "U2147483697")
    assert call.key == "T024BE7LD:C024BE91L:/operator:13345224609.738474920.8088930838d88f008e1"


@pytest.mark.parametrize(
    ("text", "verb", "rest"),
    [
        ("", "", ""),
        ("   ", "", ""),
        ("STATUS", "status", ""),
        (" show  12 ", "show", "12"),
        ("cancel 12 a\tb", "cancel", "12 a\tb"),
    ],
)
def test_commands_are_read_as_people_type_them(text: str, verb: str, rest: str) -> None:
    call = CommandCall.parse(put(recorded("slash_command"), "text", text))

    assert (call.verb, call.rest) == (verb, rest)


def test_a_kill_with_unstorable_words_is_still_a_kill() -> None:
    call = CommandCall.parse(put(recorded("slash_command"), "text", "kill-switch \ud800 \0 now"))

    assert (call.verb, call.rest) == ("kill-switch", "? \ufffd now")


def test_a_form_gives_what_was_typed_and_a_closed_one_nothing() -> None:
    form = ViewSubmission.parse(recorded("view_submission"))

    assert (form.proposal_id, form.callback_id) == (12, ids.Modal.CANCEL_REASON)
    assert form.entered(ids.Field.REASON) == "n2 is being replaced"
    assert form.key == "T024BE7LD:V0MODAL001:cancellation.explain:1772331160.bbb1"
    assert not hasattr(ViewClosed.parse(recorded("view_closed")), "values")


def test_a_form_gives_numbers_choices_and_boxes() -> None:
    form = ViewSubmission.parse(recorded("view_submission_parameters"))
    read = {block: next(iter(entries.values())) for block, entries in form.values.items()}

    assert [read[f"parameter.{name}"].text for name in ("keep", "limit", "member")] == ["100", "", "n2"]
    assert [read[f"parameter.{name}"].choice for name in ("force", "alarm", "speed")] == ["false", '"NOSPACE"', None]
    assert read[ids.Field.HAPPENED].choices == ("yes", "no")
    assert form.chosen(ids.Field.REASON_CODE) is None


def test_a_form_that_decides_carries_what_the_card_showed() -> None:
    press = ButtonPress.parse(recorded("block_actions_approve"))
    form = ConfirmSubmission.parse(recorded("view_submission_confirm"))

    assert (form.proposal_id, form.seen, form.subject) == (12, press.seen, press.ref)
    assert form.entered(ids.Field.TARGET) == "cluster"


def test_the_form_of_the_kill_switch_says_what_is_to_be_stopped() -> None:
    form = StopSubmission.parse(recorded("view_submission_stop"))

    assert (form.scope, form.entered(ids.Field.REASON)) == ("etcd", "wrong cluster")


def test_the_form_that_asks_why_says_which_stop_it_is_about() -> None:
    form = StopReasonSubmission.parse(recorded("view_submission_stop_reason"))

    assert (form.seq, form.entered(ids.Field.REASON)) == (41, "wrong cluster")
    with pytest.raises(BadRequestError):
        StopReasonSubmission.parse(recorded("view_submission_stop"))


@pytest.mark.parametrize("scope", ["", "**", "Etcd", "etcd\n", "e" * 64, "1"])
def test_a_scope_that_no_subject_can_have_is_refused(scope: str) -> None:
    metadata = json.dumps({"s": scope}, separators=(",", ":"))
    with pytest.raises(BadRequestError, match=r"cannot be read \(at view\.private_metadata\.s\)"):
        StopSubmission.parse(put(recorded("view_submission_stop"), "view.private_metadata", metadata))
    assert ScopeRef(s="*").compact() == '{"s":"*"}'


@pytest.mark.parametrize(("part", "wrong"), [("c", "general"), ("m", "now"), ("t", "short"), ("h", "x"), ("p", 0)])
def test_a_form_that_decides_is_whole_or_refused(part: str, wrong: Any) -> None:
    whole = ButtonPress.parse(recorded("block_actions_approve")).ref
    metadata = json.dumps(whole.model_dump() | {part: wrong}, separators=(",", ":"))
    with pytest.raises(BadRequestError):
        ConfirmSubmission.parse(put(recorded("view_submission_confirm"), "view.private_metadata", metadata))
    assert ConfirmRef.model_validate_json(whole.compact()) == whole


@pytest.mark.parametrize("values", [{}, {"reason.enter": {}}, {"reason.enter": {"reason.enter": {"value": None}}}])
def test_a_form_without_an_entry_has_an_empty_one(values: Any) -> None:
    form = ViewSubmission.parse(put(recorded("view_submission"), "view.state.values", values))

    assert form.entered(ids.Field.REASON) == ""


def test_a_look_at_the_home_tab_says_who_looks() -> None:
    opened = HomeOpened.parse(recorded("app_home_opened"))

    assert (opened.actor, opened.tab, opened.is_foreign) == (Actor.slack("T024BE7LD", "U2147483697"), "home", False)
    assert opened.key == "T024BE7LD:event:Ev0KRD8ABC"


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("wrong", [..., None, "", 7, "canary\n", ["T1"], {"id": "T1"}])
def test_nobody_and_nowhere_are_refused(name: str, wrong: Any) -> None:
    flat = name in {"slash_command", "app_home_opened"}
    user = "event.user" if name == "app_home_opened" else "user_id" if flat else "user.id"
    app = {"api_app_id"} if "api_app_id" in recorded(name) else set()
    for path in (*app, "team_id" if flat else "team.id", user):
        with pytest.raises(BadRequestError) as refused:
            RECORDED[name].parse(put(recorded(name), path, wrong))
        assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "12",
        "[]",
        "null",
        '{"p":12}',
        f'{{"p":12,"t":"{TOKEN}"}}',
        f'{{"p":"12","t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":true,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":0,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":12.0,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":{2**64},"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":12,"t":"short","h":"{PARAMS_HASH}"}}',
        f'{{"p":12,"t":"{TOKEN}","h":"{PARAMS_HASH.upper()}"}}',
        f'{{"p":12,"t":"{TOKEN}","h":"{PARAMS_HASH}","x":1}}',
        f'{{"p":13,"p":12,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"t":"{TOKEN}","p":12,"h":"{PARAMS_HASH}"}}',
        f'{{"p": 12,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}',
        f'{{"p":12,"t":"{TOKEN}","h":"{PARAMS_HASH}"}}\n',
        "[" * 1_000,
        "x" * (LONGEST_VALUE + 1),
    ],
)
def test_a_button_value_is_spelled_as_we_spell_it_or_refused(value: Any) -> None:
    with pytest.raises(BadRequestError, match=r"cannot be read \(at actions\.0\.value\); nothing was changed"):
        ButtonPress.parse(put(recorded("block_actions_approve"), "actions.0.value", value))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("type", "message_action"),
        ("actions", []),
        ("actions", ...),
        ("container.type", "view"),
        ("container.channel_id", "general"),
        ("container.message_ts", "now"),
        ("actions.0.action_ts", "1772331152.4160770"),
        ("trigger_id", ""),
        ("response_url", "ftp://hooks.slack.com/x"),
    ],
)
def test_a_malformed_press_is_refused(path: str, wrong: Any) -> None:
    with pytest.raises(BadRequestError):
        ButtonPress.parse(put(recorded("block_actions_approve"), path, wrong))


def test_two_actions_at_once_are_refused() -> None:
    payload = recorded("block_actions_approve")

    with pytest.raises(BadRequestError):
        ButtonPress.parse(put(payload, "actions", payload["actions"] * 2))


@given(
    st.integers(1, 2**53),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=200),
)
def test_a_button_value_is_read_back_and_fits(number: int, token: str) -> None:
    value = ButtonValue(p=number, t=token, h=PARAMS_HASH).compact()
    press = ButtonPress.parse(put(recorded("block_actions_approve"), "actions.0.value", value))

    assert len(value) <= LONGEST_VALUE
    assert (press.proposal_id, press.seen.button_token, press.seen.params_hash) == (number, token, PARAMS_HASH)
    assert ProposalRef(p=number).compact() == f'{{"p":{number}}}'


@settings(max_examples=300)
@given(st.sampled_from(sorted(RECORDED)), st.data())
def test_any_part_may_be_anything_and_the_answer_is_ours(name: str, data: st.DataObject) -> None:
    payload = recorded(name)
    path = data.draw(st.sampled_from(sorted(_paths(payload))))
    junk = data.draw(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists) | st.just(...))
    changed = put(payload, path, junk)

    with suppress(BadRequestError):
        read = RECORDED[name].parse(changed)
        assert read.caller.key
        assert json.dumps(read.model_dump(), ensure_ascii=False).encode()


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_what_is_no_payload_is_refused(body: Mapping[str, Any]) -> None:
    for kind in set(RECORDED.values()):
        with pytest.raises(BadRequestError):
            kind.parse(body)


def _paths(value: Any, prefix: str = "") -> list[str]:
    if isinstance(value, dict):
        steps = [(key, inner) for key, inner in value.items() if "." not in key]
    elif isinstance(value, list):
        steps = [(str(number), inner) for number, inner in enumerate(value)]
    else:
        return []
    return [path for key, inner in steps for path in (f"{prefix}{key}", *_paths(inner, f"{prefix}{key}."))]
