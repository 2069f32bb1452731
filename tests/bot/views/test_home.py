"""The App Home: what it offers to whom, and that Slack takes it however much there is."""

from dataclasses import replace
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from actions.models import ActionProposal, ActionStatus, Control, SafetyMode, SuccessOutcome
from bot.ids import Button
from bot.views.home import MOST_BLOCKS, HomeItem, closed_home, home
from tests.bot.views.homes import a_home, a_review
from tests.bot.views.samples import NOW, a_proposal
from tests.bot.views.test_modals import heard
from tests.bot.views.walking import buttons, view_faults

LINK: Final = "https://acme.slack.com/archives/C1/p1772331125000400"


def items(count: int, status: ActionStatus) -> tuple[HomeItem, ...]:
    outcome = SuccessOutcome.CONFIRMED if status is ActionStatus.COMPLETED else None
    made = (a_proposal(id=number, status=status, outcome=outcome) for number in range(1, count + 1))
    return tuple(HomeItem(proposal=one, link=LINK) for one in made)


def controls(count: int) -> tuple[Control, ...]:
    scopes = ["*", *(f"subject-{number}" for number in range(count))]
    modes = (SafetyMode.EXECUTE, SafetyMode.OBSERVE)
    return tuple(
        Control(
            scope=scope, mode=modes[number % 2], epoch=1, changed_by="slack:T1/UANN", changed_at=NOW, reason="a deploy"
        )
        for number, scope in enumerate(scopes)
    )


def unknown(number: int) -> ActionProposal:
    return a_proposal(id=number, status=ActionStatus.UNKNOWN)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(*(st.integers(0, 30) for _ in range(5))),
    subjects=st.integers(0, 60),
    may=st.booleans(),
    closable=st.booleans(),
)
def test_slack_takes_the_tab_however_much_there_is(
    counts: tuple[int, ...], subjects: int, may: bool, closable: bool
) -> None:
    waiting, running, lost, reviews, recent = counts
    view = a_home(
        controls=controls(subjects),
        waiting=items(waiting, ActionStatus.VALIDATED),
        running=items(running, ActionStatus.EXECUTING),
        unknown=items(lost, ActionStatus.UNKNOWN),
        may_settle=frozenset(range(1, lost + 1)) if may else frozenset(),
        reviews=tuple(
            replace(a_review(one.proposal, closable=closable), link=LINK)
            for one in items(reviews, ActionStatus.COMPLETED)
        ),
        recent=items(recent, ActionStatus.COMPLETED),
        stoppable=("*", *(f"subject-{number}" for number in range(subjects))) if may else (),
    )

    shown = home(view)

    assert len(shown["blocks"]) <= MOST_BLOCKS
    assert view_faults(shown, users=("UANN",), links=(LINK,)) == []


def test_what_is_unknown_is_settled_by_those_who_may_alone() -> None:
    view = a_home(unknown=(HomeItem(proposal=unknown(3)), HomeItem(proposal=unknown(4))), may_settle=frozenset({4}))

    settling = [
        element
        for block in home(view)["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["action_id"] == Button.RESOLVE.value
    ]

    assert [element["value"] for element in settling] == ['{"p":4}']


def test_a_review_is_offered_to_others_than_who_broke_the_glass() -> None:
    theirs, own = a_home(reviews=(a_review(),)), a_home(reviews=(a_review(closable=False),))

    assert "Close the review" in buttons(home(theirs)["blocks"])
    assert "Close the review" not in buttons(home(own)["blocks"])
    assert "Someone else has to close this review." in heard(home(own))
    assert "Writes fail, and Bo sleeps." in heard(home(own))


def test_a_review_is_closed_once_the_action_has_ended() -> None:
    early = home(a_home(reviews=(a_review(a_proposal(status=ActionStatus.EXECUTING)),)))

    assert "Close the review" not in buttons(early["blocks"])
    assert "It can be closed once the action has ended." in heard(early)


def test_who_may_not_read_sees_why_and_nothing_else() -> None:
    shown = closed_home("You may not read this: you are a guest in this Slack workspace.")

    assert heard(shown).strip() == "You may not read this: you are a guest in this Slack workspace."
    assert buttons(shown["blocks"]) == []
