"""Actions that take parameters of several kinds and can be taken back, for the rack of a bot under test."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from actions.canonical import Json
from actions.models import Risk
from actions.registry import ActionDefinition, Done, Parameters, Steps, define
from tests.rig import Target, Touch


class Paint(Parameters):
    """Which item to paint, and how often."""

    item: Annotated[str, Field(pattern="^[a-z]+$", description="Which item")]
    mark: str = ""
    coats: Annotated[int, Field(ge=1, le=3, description="Coats of paint")] = 1


def painting(target: Target) -> Sequence[ActionDefinition[Any]]:
    async def paint(params: Paint, steps: Steps) -> Done:
        """Paint an item."""
        return await target.touch(Touch(item=params.item, mark=params.mark), steps)

    async def scrub(params: Touch, steps: Steps) -> Done:
        """Take the paint off an item."""
        return await target.touch(Touch(item=params.item, mark="scrubbed"), steps)

    def undo(params: Paint, _before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
        return "scrub", {"item": params.item, "mark": "scrubbed"}

    def of(name: Any, **more: Any) -> ActionDefinition[Any]:
        return define(
            subject="rack",
            execute=name,
            preview=lambda params: target.preview(Touch(item=params.item, mark=params.mark)),
            verify=lambda params, before: target.verify(Touch(item=params.item, mark=params.mark), before),
            target=lambda params: params.item,
            risk=Risk.LOW,
            verify_within=1.0,
            settle=0.01,
            **more,
        )

    return [of(paint, undo=undo), of(scrub)]
