"""High risk is approved by whoever types the name of its target, so that no single press is enough."""

from actions.errors import BadRequestError
from actions.models import ActionProposal, Risk
from bot.views.target_input import NOT_THE_TARGET, typed_matches


def require_target(proposal: ActionProposal, typed: str) -> None:
    """Return if *typed* is the name of the target as cards show it, else raise `BadRequestError`."""
    if not typed_matches(proposal.target, typed):
        raise BadRequestError(NOT_THE_TARGET)


def require_target_if_risky(proposal: ActionProposal, typed: str) -> None:
    """Return if *typed* is the name of the target; or if nothing was typed, and the risk is not high.

    Raises:
        BadRequestError
    """
    if typed:
        require_target(proposal, typed)
    elif proposal.risk is Risk.HIGH:
        raise BadRequestError(
            f"Action {proposal.id} is of high risk: whoever approves it types the name of its target. Do that on its "
            f"card, or with `/operator approve {proposal.id} TARGET`. Nothing was approved."
        )
