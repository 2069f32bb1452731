"""What can be pressed on a card: first what decides, then what helps to decide, last what passes everybody else."""

from typing import Final

from actions.lifecycle import PENDING, TERMINAL
from actions.models import ActionProposal, ActionStatus, Risk
from actions.safety import is_overdue
from bot.ids import Button
from bot.payloads import ButtonValue, ProposalRef
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.card_view import CardView, effect, why_not_here
from bot.views.parameters import spelled
from bot.views.plain import cut, exact

_MOST_QUESTION: Final = 300
_MOST_SAID: Final = 75
_ONE_ROW: Final = 3
"""Buttons that stand side by side; more are two rows."""


def card_buttons(view: CardView) -> list[Block]:
    """Return the rows of buttons; none where there is nothing to press."""
    deciding, helping = _deciding(view), _helping(view)
    rows = [deciding, helping] if len(deciding) + len(helping) > _ONE_ROW else [deciding + helping]
    return [blocks.actions(*row) for row in rows if row]


def details_button(proposal_id: int) -> Block:
    """The button that shows everything."""
    return _about(Button.DETAILS, "Details", proposal_id, says=f"Details of action {proposal_id}")


def resolve_button(proposal_id: int) -> Block:
    """The button that opens the form in which a person says what became of what is unknown."""
    return _about(Button.RESOLVE, "Say what happened", proposal_id, says=f"Say what became of action {proposal_id}")


def review_button(proposal_id: int) -> Block:
    """The button that opens the form in which the review of break-glass is closed."""
    says = f"Close the review of action {proposal_id}, which ran by breaking the glass"
    return _about(Button.REVIEW, "Close the review", proposal_id, says=says)


def _deciding(view: CardView) -> list[Block]:
    proposal = view.dossier.proposal
    if proposal.status in PENDING:
        return _pending(view, view.button_token) if view.button_token else []
    number = proposal.id
    undo = _about(Button.UNDO, "Undo", number, says=f"Propose what takes action {number} back; nothing runs yet")
    retry = _about(Button.RETRY, "Try again", number, says=f"Propose action {number} once more; nothing runs yet")
    review = view.dossier.review
    offered = (
        (proposal.status is ActionStatus.UNKNOWN, resolve_button(number)),
        (view.may_be_undone, undo),
        (view.may_be_retried, retry),
        (review is not None and review.closed_at is None and proposal.status in TERMINAL, review_button(number)),
    )
    return [button for wanted, button in offered if wanted]


def _pending(view: CardView, token: str) -> list[Block]:
    proposal = view.dossier.proposal
    value = ButtonValue(p=proposal.id, t=token, h=proposal.params_hash).compact()
    open_here = view.is_open and not view.refusal and not view.never and not why_not_here(view)
    offered = (
        (open_here, _approve(view, value)),
        (view.abortable and not is_overdue(proposal, view.now), _abort(proposal, value)),
        (True, _cancel(proposal, value)),
    )
    return [button for wanted, button in offered if wanted]


def _helping(view: CardView) -> list[Block]:
    proposal = view.dossier.proposal
    number = proposal.id
    details = details_button(number)
    if proposal.status not in PENDING:
        return [details] if proposal.status in {ActionStatus.EXECUTING, ActionStatus.UNKNOWN} else []
    preview = _about(Button.PREVIEW, "Preview", number, says=f"Read the target of action {number} again, now")
    edit = _about(Button.EDIT, "Change parameters", number, says=f"Propose action {number} with other parameters")
    offered = (
        (view.is_open or view.is_scheduled, preview),
        (view.is_open and view.editable, edit),
        (True, details),
        *([(True, _break_glass(proposal, view.button_token))] if view.button_token and _is_breakable(view) else []),
    )
    return [button for wanted, button in offered if wanted]


def _is_breakable(view: CardView) -> bool:
    waits = view.is_open or view.is_scheduled
    return waits and view.breakable and not view.refusal and not why_not_here(view)


def _approve(view: CardView, value: str) -> Block:
    proposal = view.dossier.proposal
    high = proposal.risk is Risk.HIGH
    more = "; asks for the target's name" if high else ""
    return blocks.button(
        (Button.CONFIRM if high else Button.APPROVE).value,
        "Approve",
        says=cut(f"Approve action {proposal.id}{more}: {exact(proposal.action_name, 60)}", _MOST_SAID),
        value=value,
        style="primary",
        confirm=_question(view) if proposal.risk is Risk.MEDIUM else None,
    )


def _question(view: CardView) -> Block:
    proposal = view.dossier.proposal
    parameters = spelled(proposal.parameters) if proposal.parameters else "no parameters"
    place = sections.place(proposal.subject, proposal.target)
    return blocks.confirm(
        cut(f"Approve {exact(proposal.action_name, 80)}?", 100),
        cut(f"Risk: {proposal.risk.value}. {effect(view)} On {place}, with {parameters}", _MOST_QUESTION),
        yes="Approve",
        no="Back",
        danger=False,
    )


def _cancel(proposal: ActionProposal, value: str) -> Block:
    says = f"Cancel action {proposal.id}; nothing will run"
    return blocks.button(Button.CANCEL.value, "Cancel", says=says, value=value)


def _abort(proposal: ActionProposal, value: str) -> Block:
    says = f"Abort action {proposal.id} before it begins; everybody may"
    return blocks.button(Button.ABORT.value, "Abort", says=says, value=value, style="danger")


def _break_glass(proposal: ActionProposal, token: str) -> Block:
    return blocks.button(
        Button.BREAK_GLASS.value,
        "Break glass",
        says=f"Run action {proposal.id} now, past everybody else; asks for a reason",
        value=ButtonValue(p=proposal.id, t=token, h=proposal.params_hash).compact(),
        style="danger",
    )


def _about(button: Button, label: str, proposal_id: int, *, says: str) -> Block:
    return blocks.button(button.value, label, says=says, value=ProposalRef(p=proposal_id).compact())
