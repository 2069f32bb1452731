"""The input into which people type the name of what they are about to change, and whether they did."""

from typing import Final

from bot.ids import Field
from bot.views.blocks import Block
from bot.views.form import question, typed
from bot.views.plain import exact, fits
from bot.views.sections import NAME

NOT_THE_TARGET: Final = "This is not the target's name. Type it exactly as it stands above; capitals count."


def target_input(target: str) -> Block:
    """Ask for the target's name, as it is shown: in printable ASCII, everything else spelled out."""
    label = f"Type the target's name: {exact(target, NAME)}"
    return question(Field.TARGET.value, label, typed(Field.TARGET.value, most=2 * NAME))


def typed_matches(target: str, entered: str) -> bool:
    r"""Return whether *entered* is the target's name exactly as cards and forms show it.

    That is the spelling of `plain.exact`: of `zürich` one types `z\u00fcrich`, as it stands there. Space around it does
    not count, capitals do. The name of a target that is too long to be shown whole is never matched.
    """
    return fits(target, NAME) and entered.strip() == exact(target, NAME).strip()
