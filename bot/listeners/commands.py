"""`/operator …`: the answer goes to whoever asked, and to nobody else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.errors import BadRequestError, ConflictError
from actions.executor import ActionExecutor
from actions.models import ActionStatus, SafetyMode
from actions.ports import Clock, Store
from actions.safety import MAX_REASON, SafetyController
from bot.desk import Desk
from bot.doorkeeper import Doorkeeper
from bot.ids import SlashCommand, Subcommand
from bot.modals import Modals
from bot.payloads import CommandCall
from bot.scope_option import scope_and_rest
from bot.typed_target import require_target_if_risky
from bot.views.command_answers import help_answer, kill_answer, mode_answer
from bot.views.message import Message
from bot.views.notice import notice
from bot.views.stop_reason_modal import stop_reason_modal
from bot.views.times import moment

Answer = Callable[[CommandCall], Awaitable[Message]]
_HELP: Final = "`/operator help` shows what there is."


class Commands:
    """One method for each subcommand."""

    def __init__(
        self,
        *,
        executor: ActionExecutor,
        safety: SafetyController,
        doorkeeper: Doorkeeper,
        desk: Desk,
        modals: Modals,
        digest: Callable[[], Awaitable[Message]],
        store: Store,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._safety = safety
        self._doorkeeper = doorkeeper
        self._desk = desk
        self._modals = modals
        self._digest = digest
        self._store = store
        self._clock = clock
        self._answers: Mapping[str, Answer] = {
            Subcommand.STATUS: self.status,
            Subcommand.MODE: self.mode,
            Subcommand.KILL_SWITCH: self.kill_switch,
            Subcommand.LIST: self.list,
            Subcommand.SHOW: self.show,
            Subcommand.APPROVE: self.approve,
            Subcommand.CANCEL: self.cancel,
            Subcommand.REVIEWS: self.reviews,
            Subcommand.DIGEST: self.digest,
            Subcommand.HELP: self.help,
        }

    async def answer(self, call: CommandCall) -> Message:
        """Do what was typed. An unknown word is a `BadRequestError` that says what there is."""
        try:
            answer = self._answers[call.verb or Subcommand.HELP]
        except KeyError:
            raise BadRequestError(f"There is no `/operator {call.verb[:40]}`. {_HELP}") from None
        return await answer(call)

    async def status(self, call: CommandCall) -> Message:
        """Show the mode, what waits and what runs."""
        return await self._desk.status(call.actor)

    async def mode(self, call: CommandCall) -> Message:
        """Switch the mode, or show it if none is named."""
        if not call.rest:
            return await self._desk.status(call.actor)
        scope, words = scope_and_rest(call.rest)
        word, _, reason = words.partition(" ")
        try:
            mode = SafetyMode(word.lower())
        except ValueError:
            raise BadRequestError("The mode is observe or execute: `/operator mode execute <reason>`.") from None
        if mode is SafetyMode.OBSERVE:
            reason = reason[:MAX_REASON]  # a stop is not refused for its words
        else:
            await self._require_first_time(call)
        switched = await self._safety.set_mode(mode, by=call.caller, reason=reason, scope=scope)
        if mode is SafetyMode.OBSERVE:
            self._ask_why(call, switched.seq, reason)
        return mode_answer(switched)

    async def kill_switch(self, call: CommandCall) -> Message:
        """Stop everything, or one subject, at once."""
        scope, reason = scope_and_rest(call.rest)
        stopped = await self._safety.kill_switch(by=call.caller, reason=reason, scope=scope)
        self._ask_why(call, stopped.seq, reason)
        return kill_answer(stopped)

    async def list(self, call: CommandCall) -> Message:
        """Show the newest actions."""
        if not call.rest:
            return await self._desk.listing(call.actor, None)
        try:
            return await self._desk.listing(call.actor, ActionStatus(call.rest.lower()))
        except ValueError:
            statuses = ", ".join(status.value for status in ActionStatus)
            raise BadRequestError(f"There is no such status. There are: {statuses}.") from None

    async def show(self, call: CommandCall) -> Message:
        """Show one action."""
        proposal_id, _ = _id_and_rest(call)
        return await self._desk.show(call.actor, proposal_id)

    async def approve(self, call: CommandCall) -> Message:
        """Approve one action, as its card shows it; of high risk only with the name of its target."""
        proposal_id, typed = _id_and_rest(call)
        require_target_if_risky(await self._doorkeeper.proposal(proposal_id), typed)
        proposal = await self._executor.approve_proposal(proposal_id, by=call.caller)
        if proposal.status is ActionStatus.VALIDATED:
            return notice(f"Your approval of action {proposal_id} counts; more people are needed. See its card.")
        starts = proposal.not_before
        when = "runs now" if starts is None else f"starts at {moment(starts)}; until then it can be cancelled"
        return notice(f"Action {proposal_id} is approved and {when}. Its card shows what comes of it.")

    async def cancel(self, call: CommandCall) -> Message:
        """Cancel one action."""
        proposal_id, reason = _id_and_rest(call)
        await self._executor.cancel_proposal(proposal_id, by=call.caller, reason=reason)
        return notice(f"Action {proposal_id} is cancelled. Nothing ran.")

    async def reviews(self, call: CommandCall) -> Message:
        """Show the reviews that break-glass left open."""
        return await self._desk.reviews(call.actor)

    async def digest(self, call: CommandCall) -> Message:
        """Show what a digest of the last 24 hours would say."""
        await self._doorkeeper.member(call.actor)
        return await self._digest()

    async def help(self, _: CommandCall) -> Message:
        """Show every subcommand."""
        return help_answer()

    def _ask_why(self, call: CommandCall, seq: int | None, reason: str) -> None:
        if seq is not None and not reason:
            self._modals.open_soon(call.trigger_id, stop_reason_modal(seq))

    async def _require_first_time(self, call: CommandCall) -> None:
        # Slack may deliver a command again around a reconnect; by then somebody may have stopped everything.
        at = self._clock.now()
        earlier = await self._store.write(
            lambda tx: tx.take_inbox(call.key, body_hash="", reply="", at=at), urgent=True
        )
        if earlier is not None:
            raise ConflictError(
                "This command was received before; nothing was changed. `/operator status` shows the mode."
            )


def register(app: AsyncApp, *, commands: Commands) -> None:
    """Attach the slash command."""

    @app.command(SlashCommand.OPERATOR.value)
    async def operator(ack: AsyncAck, body: dict[str, Any]) -> None:
        message = await commands.answer(CommandCall.parse(body))
        await ack(text=message.text, blocks=list(message.blocks), response_type="ephemeral")


def _id_and_rest(call: CommandCall) -> tuple[int, str]:
    word, _, rest = call.rest.partition(" ")
    digits = word.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise BadRequestError(f"Which action? `/operator {call.verb} 12`; `/operator list` shows the numbers.")
    return int(digits), rest.strip()
