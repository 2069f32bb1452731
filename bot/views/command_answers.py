"""What `/operator` answers, to the person who asked and nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actions.models import ActionProposal, Control, SafetyMode
from actions.safety import Stopped, Switched
from bot.ids import SlashCommand, Subcommand
from bot.views import blocks, sections
from bot.views.announcement import (
    cancelled_count,
    execute_command,
    how_to_resume,
    nothing_new,
    people_missing,
    under_way,
    where,
)
from bot.views.blocks import Block
from bot.views.card import content, whole_in
from bot.views.card_buttons import details_button
from bot.views.card_view import CardView
from bot.views.message import Message
from bot.views.people import person
from bot.views.plain import line
from bot.views.room import Room, fitted
from bot.views.rows import row, rows
from bot.views.times import moment

USAGE: Final[dict[Subcommand, tuple[str, str]]] = {
    Subcommand.STATUS: ("status", "the mode, what waits, what runs"),
    Subcommand.MODE: (
        "mode observe|execute [--subject NAME] [reason]",
        "observe stops everything, or one subject; execute needs a reason",
    ),
    Subcommand.KILL_SWITCH: ("kill-switch [--subject NAME] [reason]", "stop everything, or one subject, at once"),
    Subcommand.LIST: ("list [status]", "the newest actions"),
    Subcommand.SHOW: ("show ID", "everything about one action"),
    Subcommand.APPROVE: ("approve ID [TARGET]", "approve what the card shows; high risk needs the target's name"),
    Subcommand.CANCEL: ("cancel ID [reason]", "cancel what has not begun"),
    Subcommand.REVIEWS: ("reviews", "what was run with break-glass and nobody has looked at since"),
    Subcommand.DIGEST: ("digest", "what is open and what was done"),
    Subcommand.HELP: ("help", "this"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """All that the answer to `status` is drawn from."""

    controls: tuple[Control, ...]
    """The row for everything first, then one per subject."""
    waiting: tuple[ActionProposal, ...]
    in_flight: tuple[ActionProposal, ...]
    open_tickets: int
    kill_files: tuple[str, ...]
    now: datetime


def status_answer(view: StatusView) -> Message:
    """Draw the mode, then what waits and what runs."""
    return fitted(lambda room: _status(view, room))


def list_answer(proposals: Sequence[ActionProposal], now: datetime, *, asked: str = "") -> Message:
    """Draw the newest proposals, as many as fit, at most 18. *asked* is the status that was asked for, if any."""
    title = f"Actions that are {asked}" if asked else "Actions, the newest first"
    return fitted(lambda room: [_listing(title, proposals[: 3 * room.items], now)])


def show_answer(view: CardView, link: str | None = None) -> Message:
    """Draw what the card shows, with Details and a link to the card instead of its buttons."""
    proposal = view.dossier.proposal
    there = [blocks.rich_text(blocks.section(blocks.link(link, "Open the card")))] if link else []
    buttons = blocks.actions(details_button(proposal.id))
    return fitted(lambda room: [*content(view, room), *there, buttons], rest=whole_in(proposal))


def kill_answer(stopped: Stopped) -> Message:
    """Draw what the kill switch did, for whoever threw it."""
    return fitted(lambda room: _killed(stopped, room))


def mode_answer(switched: Switched) -> Message:
    """Draw what a change of mode did, or what it still needs, for whoever asked for it."""
    return fitted(lambda room: [blocks.rich_text(*_switched(switched, room))])


def help_answer() -> Message:
    """Draw every subcommand with what it does."""
    shown = [
        [blocks.text(f"{SlashCommand.OPERATOR.value} {usage}", code=True), blocks.text(f" {does}")]
        for usage, does in USAGE.values()
    ]
    return fitted(lambda _room: [blocks.rich_text(blocks.bullets(shown))])


def mode_lines(controls: Sequence[Control], *, most: int) -> list[list[Block]]:
    """What may be changed, since when, by whom and why, and each subject that is stopped by itself; at most *most*."""
    if not controls:
        return [[blocks.text("observe for everything", bold=True)]]
    told = [controls[0], *(control for control in controls[1:] if control.mode is SafetyMode.OBSERVE)]
    more = len(told) - most
    return [_control(control) for control in told[:most]] + ([[blocks.text(f"and {more} more")]] if more > 0 else [])


def _control(control: Control) -> list[Block]:
    elements = [blocks.text(f"{control.mode.value} {where(control.scope)}", bold=True)]
    if control.changed_at is None:
        return [*elements, blocks.text(" since it was set up")]
    elements += [blocks.text(f" since {moment(control.changed_at)}, by "), person(control.changed_by)]
    return [*elements, blocks.text(f": {line(control.reason, 200)}")] if control.reason.strip() else elements


def _status(view: StatusView, room: Room) -> list[Block]:
    halted = f"{len(view.kill_files)} kill file(s) on this host: nothing can start here until mode execute is set."
    return [
        blocks.rich_text(
            sections.labelled("Mode"),
            blocks.bullets(mode_lines(view.controls, most=2 * room.items)),
            *([blocks.section(blocks.text(halted, bold=True))] if view.kill_files else []),
            *_group("Waiting", view.waiting, room, view.now),
            *_group("Running or of unknown outcome", view.in_flight, room, view.now),
            sections.labelled("Faults that still hold", blocks.text(str(view.open_tickets))),
        )
    ]


def _group(label: str, proposals: Sequence[ActionProposal], room: Room, now: datetime) -> list[Block]:
    if not proposals:
        return [sections.labelled(label, blocks.text("none"))]
    return [
        sections.labelled(label, blocks.text(str(len(proposals)))),
        rows(proposals, len(proposals), most=2 * room.items, now=now),
    ]


def _listing(title: str, proposals: Sequence[ActionProposal], now: datetime) -> Block:
    if not proposals:
        return blocks.rich_text(sections.labelled(title, blocks.text("none")))
    return blocks.rich_text(sections.labelled(title), blocks.bullets([row(proposal, now) for proposal in proposals]))


def _killed(stopped: Stopped, room: Room) -> list[Block]:
    problem = [blocks.section(sections.prose(stopped.problem, room))] if stopped.problem else []
    if not stopped.recorded:
        said = (
            f"Stopped on this host only, {where(stopped.scope)}: a kill file is in place, so no new action starts "
            "here, but it could not be recorded. What was sent before may still take effect, and is not listed."
        )
        return [blocks.rich_text(blocks.section(blocks.text(said, bold=True)), *problem)]
    return [
        blocks.rich_text(
            blocks.section(blocks.text("Stopped. ", bold=True), blocks.text(nothing_new(stopped.scope))),
            blocks.section(blocks.text(cancelled_count(stopped.cancelled))),
            *problem,
            *under_way(stopped.in_flight, room),
            how_to_resume(stopped.scope),
        )
    ]


def _switched(switched: Switched, room: Room) -> list[Block]:
    control, scope = switched.control, where(switched.control.scope)
    if switched.waits:
        return [
            blocks.section(blocks.text("Recorded; nothing was switched yet.", bold=True)),
            blocks.section(
                blocks.text(f"{people_missing(switched.need - switched.have)}: "), execute_command(control.scope)
            ),
        ]
    if control.mode is SafetyMode.OBSERVE:
        return [
            blocks.section(blocks.text(f"The mode is observe {scope}.", bold=True)),
            blocks.section(blocks.text(f"{cancelled_count(switched.cancelled)} {nothing_new(control.scope)}")),
            *under_way(switched.in_flight, room),
        ]
    if switched.decides.mode is SafetyMode.OBSERVE:
        return [
            blocks.section(blocks.text(f"The mode is execute {scope}, but everything is still stopped.", bold=True)),
            how_to_resume(switched.decides.scope),
        ]
    return [
        blocks.section(blocks.text(f"The mode is execute {scope}.", bold=True)),
        blocks.section(blocks.text("What is wrong is observed anew and proposed with buttons.")),
    ]
