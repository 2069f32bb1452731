"""The modals in which people decide what a button alone must not decide."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actions.errors import BadRequestError
from actions.models import ActionStatus, Fact, FailureOutcome, Review, Risk
from actions.registry import Happened
from bot.ids import Field, Modal
from bot.payloads import ConfirmRef, ProposalRef, ScopeRef
from bot.views.blocks import Block
from bot.views.break_glass_modal import break_glass_modal
from bot.views.confirm_modal import confirm_modal
from bot.views.edit_modal import edit_modal, retry_modal
from bot.views.form import MOST_WORDS
from bot.views.parameter_form import MOST_FIELDS
from bot.views.plain import exact, fits
from bot.views.resolve_modal import HAPPENED, resolve_modal
from bot.views.review_modal import review_modal
from bot.views.room import spoken
from bot.views.sections import NAME
from bot.views.stop_modal import stop_modal
from bot.views.target_input import target_input, typed_matches
from tests.bot.views.attacks import REF
from tests.bot.views.forms import an_action, inputs, model
from tests.bot.views.hostile import texts
from tests.bot.views.samples import NOW, TITLE, a_card, a_dossier, a_proposal, a_record
from tests.bot.views.walking import view_faults

REVIEW: Final = Review(
    proposal_id=12,
    opened_at=NOW - timedelta(minutes=3),
    opened_by="slack:T1/UANN",
    person="ann",
    reason="Writes fail, and nobody else answers.",
)
RESTART: Final = an_action(model(name=(str, ...), keep=(int, 100)))


def heard(view: Mapping[str, Any]) -> str:
    return "\n".join(spoken(view["blocks"]))


def asked(view: Mapping[str, Any]) -> dict[str, Block]:
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def required(view: Mapping[str, Any]) -> set[str]:
    return {block_id for block_id, block in asked(view).items() if not block["optional"]}


def test_high_risk_is_confirmed_with_everything_in_sight_and_the_targets_name() -> None:
    view = confirm_modal(a_card(risk=Risk.HIGH, required_approvals=2), REF)
    text = heard(view)

    for part in ("Risk: high. It runs once one more person approved it.", "etcd.free_space on etcd / cluster", TITLE,
                 'members = ["n1", "n2", "n3"]', "revision = 122", "file size: 4.4 MiB → 0.4 MiB"):  # fmt: skip
        assert part in text
    assert asked(view)[Field.TARGET]["label"]["text"] == "Type the target's name: cluster"
    assert required(view) == {Field.TARGET}
    assert (view["callback_id"], ConfirmRef.model_validate_json(view["private_metadata"])) == (Modal.CONFIRM, REF)
    assert [view[name]["text"] for name in ("title", "submit", "close")] == ["Approve action 12", "Approve", "Back"]
    assert view_faults(view) == []


def test_breaking_the_glass_says_what_it_does_before_it_asks() -> None:
    view = break_glass_modal(a_card(risk=Risk.HIGH), REF)
    text = heard(view)

    for part in ("It runs now, on your word alone", "through a freeze", "Everybody in the channel is told",
                 "until a second person closes it", "does not pass the kill switch", "revision = 122"):  # fmt: skip
        assert part in text
    assert required(view) == {Field.TARGET, Field.REASON}
    assert asked(view)[Field.REASON]["element"]["max_length"] == MOST_WORDS
    assert (view["callback_id"], view["private_metadata"]) == (Modal.BREAK_GLASS, REF.compact())
    assert view_faults(view) == []


def test_an_unknown_outcome_is_settled_with_evidence() -> None:
    view = resolve_modal(a_dossier(status=ActionStatus.UNKNOWN, record=a_record()))

    assert "Look at the target yourself first." in heard(view)
    assert "What was sent: etcd.free_space on etcd / cluster" in heard(view)
    assert "defragment n1: done. 1.8 s" in heard(view)
    options = asked(view)[Field.HAPPENED]["element"]["options"]
    assert [option["value"] for option in options] == [HAPPENED, Happened.NO]
    assert required(view) == {Field.HAPPENED, Field.EVIDENCE, Field.REASON}
    assert (view["callback_id"], view["private_metadata"]) == (Modal.RESOLVE, ProposalRef(p=12).compact())
    assert view_faults(view) == []


def test_a_review_shows_who_ran_what_when_why_and_what_came_of_it() -> None:
    dossier = a_dossier(status=ActionStatus.FAILED, outcome=FailureOutcome.PARTIAL, detail="Two of three.")
    view = review_modal(dossier, REVIEW)

    for part in ("Run with break-glass by: UANN at 2026-03-01 02:09:05 UTC", "Why: Writes fail, and nobody else",
                 "What was tried: etcd.free_space", "revision = 122", "Two of three."):  # fmt: skip
        assert part in heard(view)
    assert required(view) == {Field.COMMENT}
    assert (view["callback_id"], view["private_metadata"]) == (Modal.REVIEW, ProposalRef(p=12).compact())
    assert view_faults(view, users=("UANN",)) == []


@pytest.mark.parametrize(("scope", "said"), [("*", "This stops everything:"), ("etcd", "everything on etcd, and noth")])
def test_the_kill_switch_says_what_it_stops_and_asks_why(scope: str, said: str) -> None:
    view = stop_modal(scope)

    assert said in heard(view)
    assert required(view) == set(), "stopping waits for no words"
    assert (view["callback_id"], view["private_metadata"]) == (Modal.STOP, ScopeRef(s=scope).compact())
    assert view_faults(view) == []


def test_an_edit_says_that_somebody_else_must_approve_it() -> None:
    proposal = a_proposal(parameters={"name": "n1", "keep": 7})
    view = edit_modal(proposal, RESTART)

    assert "Action 12 is replaced by a new proposal" in heard(view)
    assert "Somebody else must approve that one: you cannot" in heard(view)
    assert "What would run: etcd.free_space on etcd / cluster" in heard(view)
    drawn = inputs(view["blocks"])
    assert [block["element"]["initial_value"] for block in drawn.values()] == ["n1", "7"]
    assert (view["callback_id"], view["private_metadata"]) == (Modal.EDIT, ProposalRef(p=12).compact())
    assert [view[name]["text"] for name in ("submit", "close")] == ["Propose this", "Back"]
    assert view_faults(view) == []


def test_trying_again_is_a_new_proposal_and_leaves_the_old_one_alone() -> None:
    view = retry_modal(a_proposal(status=ActionStatus.FAILED, parameters={"name": "n1"}), RESTART)

    assert "action 12 stays as it ended" in heard(view)
    assert "What was tried: etcd.free_space" in heard(view)
    assert (view["callback_id"], view["submit"]["text"]) == (Modal.RETRY, "Propose again")
    assert view_faults(view) == []


@pytest.mark.parametrize("count", [MOST_FIELDS, MOST_FIELDS + 1])
def test_an_action_with_more_parameters_than_a_form_holds_is_refused(count: int) -> None:
    definition = an_action(model(**{f"p{number}": (int, 0) for number in range(count)}))
    proposal = a_proposal(parameters={})

    if count > MOST_FIELDS:
        with pytest.raises(BadRequestError, match=r"81 parameters, and a form in Slack holds 80\."):
            edit_modal(proposal, definition)
    else:
        assert view_faults(edit_modal(proposal, definition)) == []


@pytest.mark.parametrize("number", [1, 2**53])
def test_titles_fit_whatever_the_number(number: int) -> None:
    card = a_card()
    card = replace(card, dossier=replace(card.dossier, proposal=a_proposal(id=number)))
    ref = REF.model_copy(update={"p": number})
    proposal = card.dossier.proposal
    drawn = (
        confirm_modal(card, ref), break_glass_modal(card, ref), resolve_modal(card.dossier),
        review_modal(card.dossier, replace(REVIEW, proposal_id=number)),
        edit_modal(proposal, RESTART), retry_modal(proposal, RESTART),
    )  # fmt: skip

    assert [view_faults(view, users=("UANN",)) for view in drawn] == [[]] * len(drawn)


def test_the_impact_is_cut_before_the_parameters_are() -> None:
    facts = tuple(Fact(label=f"fact {number}", value="v" * 900) for number in range(400))
    parameters = {f"p{number}": '"' * 900 for number in range(15)}
    view = confirm_modal(a_card(impact=facts, parameters=parameters), REF)

    assert view_faults(view) == []
    assert all(name in heard(view) for name in parameters)
    assert "more" in heard(view)


def shown_for(target: str) -> str:
    return str(target_input(target)["label"]["text"]).removeprefix("Type the target's name: ")


@pytest.mark.parametrize(
    ("target", "entered", "matches"),
    [
        ("cluster", "cluster", True),
        ("cluster", " cluster\n", True),
        ("cluster", "Cluster", False),
        ("cluster", "cluste", False),
        ("cluster", "", False),
        ("zürich", "zürich", False),
        ("zürich", r"z\u00fcrich", True),
        ("n1\u202e", "n1", False),
        ("n" * 201, "n" * 201, False),
    ],
)
def test_the_targets_name_is_typed_as_it_is_shown(target: str, entered: str, matches: bool) -> None:
    assert typed_matches(target, entered) is matches


@settings(max_examples=300)
@given(texts | st.text(max_size=30), texts | st.text(max_size=30))
def test_what_is_shown_can_be_typed_and_passes_for_no_other_target(target: str, other: str) -> None:
    assume("" not in {target.strip(), other.strip()})
    assert typed_matches(target, shown_for(target)) is fits(target, NAME)
    if target.strip() != other.strip():
        assert not typed_matches(target, shown_for(other))
    assert shown_for(target) == exact(target, NAME)
