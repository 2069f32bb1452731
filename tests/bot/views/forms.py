"""Actions with parameters of every kind, their forms, and what Slack would send of a form that nobody touched."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import create_model

from actions.models import Risk
from actions.registry import ActionDefinition, Done, Parameters, Preview, Steps, Verdict, define
from bot.payloads import ViewSubmission
from bot.views.blocks import Block
from bot.workspace.forms import entered_values, form_problems

_RECORDED: Final = (Path(__file__).parents[2] / "data" / "slack" / "view_submission.json").read_text()


def model(**fields: Any) -> type[Parameters]:
    """A model of `name=(annotation, default)`, with `...` for what must be given."""
    made: type[Parameters] = create_model("Taken", __base__=Parameters, **fields)
    return made


def an_action(parameters: type[Parameters]) -> ActionDefinition[Any]:
    async def act(params: Any, steps: Steps) -> Done:
        """Do it."""
        raise NotImplementedError

    async def preview(params: Any) -> Preview:
        raise NotImplementedError

    async def verify(params: Any, before: Any) -> Verdict:
        raise NotImplementedError

    act.__annotations__["params"] = parameters
    return define(
        subject="etcd", execute=act, preview=preview, verify=verify, target=lambda _: "cluster", risk=Risk.MEDIUM
    )


def inputs(blocks: list[Block]) -> dict[str, Block]:
    """The inputs for parameters, by the parameter's name."""
    return {block["block_id"].split(".", 1)[1]: block for block in blocks if block["type"] == "input"}


def submitted(blocks: list[Block], **entered: Any) -> ViewSubmission:
    """What Slack sends when the form is filled in with *entered* and otherwise left as it was."""
    given = {
        block["block_id"]: {block["element"]["action_id"]: entered[name]}
        for name, block in inputs(blocks).items()
        if name in entered
    }
    values = entered_values(blocks, given)
    assert form_problems(blocks, values) == {}
    return with_values(values)


def with_values(values: Mapping[str, Any]) -> ViewSubmission:
    body = json.loads(_RECORDED)
    body["view"]["state"]["values"] = values
    return ViewSubmission.parse(body)
