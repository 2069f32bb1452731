"""The modals of the bot in a browser: drawn whole, filled in by hand, refused field by field, and read as entered."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import pytest
from playwright.async_api import Page, expect
from pydantic import Field
from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.canonical import Json
from actions.errors import BadParametersError
from actions.models import ActionStatus, FailureOutcome, Review, Risk
from actions.registry import Parameters
from actions.validation import validate_action_params
from bot.ids import Modal
from bot.parameter_entry import entered_parameters, field_errors
from bot.payloads import ConfirmRef, ViewSubmission
from bot.views.blocks import View
from bot.views.break_glass_modal import break_glass_modal
from bot.views.confirm_modal import confirm_modal
from bot.views.edit_modal import edit_modal, retry_modal
from bot.views.refusal_modal import refusal_modal
from bot.views.resolve_modal import resolve_modal
from bot.views.review_modal import review_modal
from bot.views.stop_modal import stop_modal
from bot.workspace.server import Workspace
from tests.bot.views.forms import an_action
from tests.bot.views.samples import NOW, TOKEN, a_card, a_dossier, a_proposal, a_record
from tests.workspace.doubles import bolt_app, connected

from .conftest import Shots

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


class Defragment(Parameters):
    target_member: Annotated[str, Field(pattern=r"^n[0-9]$", description="Name of the member that is rewritten")]
    keep: Annotated[int, Field(ge=1, le=1_000, description="Revisions that are kept")] = 100
    pause: Annotated[float | None, Field(gt=0, description="Seconds between two members")] = None
    compact: Annotated[bool, Field(description="Drop the history first")] = True
    alarm: Annotated[Literal["NOSPACE", "CORRUPT"], Field(description="The alarm that is disarmed")] = "NOSPACE"
    shard: Annotated[Literal[tuple(f"shard-{number}" for number in range(9))], Field(description="Where")] = "shard-0"  # type: ignore[valid-type]  # made of many
    skip: Annotated[tuple[str, ...], Field(description="Members that are left alone")] = ()
    labels: Annotated[dict[str, int], Field(description="Put into the log of the target")] = Field(default_factory=dict)


DEFRAGMENT: Final = an_action(Defragment)
STORED: Final[dict[str, Json]] = {
    "target_member": "n2", "keep": 50, "pause": None, "compact": False, "alarm": "NOSPACE", "shard": "shard-3",
    "skip": ["n1", "n3"], "labels": {"ticket": 7},
}  # fmt: skip
REF: Final = ConfirmRef(p=12, t=TOKEN, h="4f" * 32, c="C0OPS", m="1772331125.000400")
REVIEW: Final = Review(
    proposal_id=12, opened_at=NOW, opened_by="slack:T0LOCAL/U0ANN", person="ann", reason="Writes fail, and Bo sleeps."
)
FAILED: Final = a_dossier(status=ActionStatus.FAILED, outcome=FailureOutcome.PARTIAL, record=a_record())
DRAWN: Final[Mapping[str, View]] = {
    "edit": edit_modal(a_proposal(parameters=STORED), DEFRAGMENT),
    "retry": retry_modal(a_proposal(status=ActionStatus.FAILED, parameters=STORED | {"alarm": "OLD"}), DEFRAGMENT),
    "confirm": confirm_modal(a_card(risk=Risk.HIGH, required_approvals=2), REF),
    "break-glass": break_glass_modal(a_card(risk=Risk.HIGH), REF),
    "resolve": resolve_modal(a_dossier(status=ActionStatus.UNKNOWN, record=a_record())),
    "review": review_modal(FAILED, REVIEW),
    "refusal": refusal_modal(12),
    "stop": stop_modal("*"),
}


@pytest.mark.parametrize("name", DRAWN)
async def test_a_modal_is_drawn_whole_and_starts_with_what_is_known(
    name: str, quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    view = DRAWN[name]
    dialog = quiet_page.locator("#modal")
    quiet.state.views.open("U0ANN", view)

    await expect(dialog).to_contain_text(view["title"]["text"])
    await expect(dialog.locator(".unsupported")).to_have_count(0)
    for block in view["blocks"]:
        if block["type"] == "input":
            await expect(dialog).to_contain_text(block["label"]["text"])
    # The dialog scrolls; a picture shows all of it.
    await quiet_page.set_viewport_size({"width": 900, "height": 3_000})
    await shots.take(f"modal-{name}", dialog)


def changing(workspace: Workspace, proposed: list[Any]) -> AsyncApp:
    app = bolt_app(workspace)

    @app.view(Modal.EDIT.value)
    async def edited(ack: AsyncAck, body: dict[str, Any]) -> None:
        try:
            entered = entered_parameters(DEFRAGMENT, ViewSubmission.parse(body))
            proposed.append(validate_action_params(DEFRAGMENT, entered))
        except BadParametersError as error:
            await ack(response_action="errors", errors=dict(field_errors(DEFRAGMENT, error)))
        else:
            await ack()

    return app


async def test_a_form_left_alone_proposes_the_same_parameters(quiet: Workspace, quiet_page: Page) -> None:
    proposed: list[Defragment] = []
    async with connected(quiet, changing(quiet, proposed)):
        quiet.state.views.open("U0ANN", DRAWN["edit"])
        await quiet_page.locator("#modal").get_by_role("button", name="Propose this").click()
        await expect(quiet_page.locator("#modal")).not_to_be_visible()

    assert [one.model_dump(mode="json") for one in proposed] == [STORED]


async def test_what_is_wrong_is_said_at_its_field_and_what_is_right_is_read(
    quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    proposed: list[Defragment] = []
    dialog = quiet_page.locator("#modal")
    propose = dialog.get_by_role("button", name="Propose this")
    async with connected(quiet, changing(quiet, proposed)):
        quiet.state.views.open("U0ANN", DRAWN["edit"])
        await dialog.get_by_label("Keep").fill("2000")
        await propose.click()
        await expect(dialog).to_contain_text("Please enter a number that is 1000 or less.")
        await dialog.get_by_label("Keep").fill("7")
        await dialog.get_by_label("Target member").fill("n22")
        await dialog.get_by_label("Labels").fill('{"ticket": "seven"}')
        await propose.click()
        await expect(dialog).to_contain_text(
            "Allowed is text of at most 1,000 characters that matches ^n[0-9]$. "
            "Target_member: string should match pattern '^n[0-9]$', got 'n22'."
        )
        await expect(dialog).to_contain_text("Labels.ticket: input should be a valid integer, got 'seven'.")
        await quiet_page.set_viewport_size({"width": 900, "height": 3_000})
        await shots.take("modal-edit-wrong", dialog)
        await dialog.get_by_label("Target member").fill("n3")
        await dialog.get_by_label("Pause").fill("0.5")
        await dialog.get_by_role("radiogroup", name="Compact").get_by_label("Yes").check()
        await dialog.get_by_label("Shard").select_option("shard-8")
        await dialog.get_by_label("Skip").fill("")
        await dialog.get_by_label("Labels").fill("")
        await propose.click()
        await expect(dialog).not_to_be_visible()

    assert [one.model_dump(mode="json") for one in proposed] == [
        STORED | {"target_member": "n3", "keep": 7, "pause": 0.5, "compact": True, "shard": "shard-8", "skip": [],
                  "labels": {}}
    ]  # fmt: skip
