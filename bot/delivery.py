"""The outbox worker: makes Slack show what the database says, however often that takes, and never an older state."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from actions.errors import UnavailableError
from actions.ports import Clock, MessageRef, OutboxItem, OutboxKind, Reader, Store, Transaction
from bot.channels import Channels
from bot.own_messages import OwnMessages, forget
from bot.pacer import Pacer
from bot.shown import IN_THE_THREAD, NotYetError, Shown, proposal_of
from bot.slack_errors import NO_ANSWER, Meaning, error_code, is_rate_limit, meaning, wait_asked
from bot.views.notice import notice
from bot.workspace_identity import WorkspaceIdentity

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds between two looks at the outbox when nobody calls."""
COALESCE: Final = 0.03
"""Seconds that news may gather: what follows itself within them is shown once, as it is then."""
BATCH: Final = 1_000
"""How far a look reaches past what has to wait for its channel."""
STALE_NOTICE: Final = timedelta(minutes=10)
"""A sentence to one person that is older has missed its moment, and is dropped."""
LOCKED_OUT_PAUSE: Final = 15.0
SILENT: Final = 30.0
"""Seconds without a finished round after which something is wrong."""
_LONGEST_REST: Final = 30.0
_LONGEST_BACKOFF: Final = 60.0
_LOST: Final = "perhaps sent: "
"""Begins the error of an attempt of which nobody knows whether Slack carried it out."""
_NOT_YET: Final = "waits for the message it belongs to"
_URGENCY: Final = {OutboxKind.NOTICE: 0, OutboxKind.ANNOUNCEMENT: 1}

Send = Callable[..., Awaitable[AsyncSlackResponse]]


class Presenter(Protocol):
    """Renders the newest state of what an item is about."""

    async def present(self, item: OutboxItem) -> Shown | None:
        """Return what to show, or None if there is nothing. Raises `NotYetError` if something must come first."""
        ...


class Turn(Protocol):
    """Lets one process at a time deliver, so that nothing is posted by two."""

    async def mine(self) -> bool:
        """Return whether it is this process's turn. Raises `StorageError`."""
        ...


@dataclass(slots=True)
class Health:
    """What delivery says of itself to `/readyz`."""

    last_round: float = 0.0
    locked_out: str = ""
    given_up: int = 0


class Delivery:
    """Posts and updates: the newest state only, at Slack's pace, whatever goes wrong on the way."""

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        who: WorkspaceIdentity,
        store: Store,
        presenter: Presenter,
        clock: Clock,
        turn: Turn,
    ) -> None:
        self._client = client
        self._who = who
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._turn = turn
        self._pacer = Pacer(clock)
        self._channels = Channels(client)
        self._own = OwnMessages(client, bot_id=who.bot_id, channels=self._channels)
        self._news = asyncio.Event()
        self._began = clock.now()
        self._headed_for: dict[int, str] = {}
        self._doubtful: set[int] = set()
        self._failures = 0
        self._resume_at = 0.0
        self.health = Health(last_round=clock.monotonic())

    def wake(self) -> None:
        """Look at the outbox now."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._news.clear()
            pause = await self._round()
            try:
                async with asyncio.timeout(min(PAUSE, max(pause, COALESCE))):
                    await self._news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(COALESCE)

    async def deliver_due(self) -> float:
        """Deliver what is due as far as the pace allows; return the seconds until it is worth looking again.

        Raises:
            StorageError
        """
        resting = self._resume_at - self._clock.monotonic()
        if resting > 0:
            return resting
        if not await self._turn.mine():
            return PAUSE
        pause = PAUSE
        due = await self._store.read(self._due)
        self._headed_for = {item.id: self._headed_for[item.id] for item, _ in due if item.id in self._headed_for}
        for item, ref in due:
            pause = min(pause, await self._deliver(item, ref) or PAUSE)
            if self._resume_at > self._clock.monotonic() or self._news.is_set():
                break  # Slack is out of reach, or something may have come up that is more urgent than the rest
        return pause

    def problems(self) -> list[str]:
        """Say what is wrong, for `/readyz`."""
        found = []
        if self.health.locked_out:
            found.append(f"Slack does not accept the bot's token ({self.health.locked_out}); see `operator doctor`.")
        silent = self._clock.monotonic() - self.health.last_round
        if silent > SILENT:
            found.append(f"Delivery has not looked at its outbox for {silent:.0f} s.")
        return found

    async def _round(self) -> float:
        try:
            pause = await self.deliver_due()
        except UnavailableError as error:
            log.warning("the outbox cannot be read or written: %s", error)
            pause = PAUSE
        except Exception:  # boundary: whatever it is, Slack must go on showing what the database says
            log.exception("a round of delivery broke off")
            pause = PAUSE
        self.health.last_round = self._clock.monotonic()
        return pause

    def _due(self, reader: Reader) -> list[tuple[OutboxItem, MessageRef | None]]:
        due = sorted(reader.outbox_due(self._clock.now(), BATCH), key=lambda item: _URGENCY.get(item.kind, 2))
        return [(item, reader.message(item.kind, item.ref)) for item in due]

    async def _deliver(self, item: OutboxItem, ref: MessageRef | None) -> float:
        # What has to wait for its channel is not even drawn, so that a long queue delays no other channel.
        place = ref.channel_id if ref else self._headed_for.get(item.id)
        if place is not None and (wait := self._pacer.wait(place)):
            return wait
        try:
            return await self._attempt(item, ref)
        except NotYetError:
            await self._again(item, _backoff(item.attempts), _NOT_YET)
        except SlackApiError as error:
            await self._refused(item, error)
        except NO_ANSWER as error:
            self._rest()
            await self._again(item, _backoff(item.attempts), f"{_LOST}{type(error).__name__}: {error}")
        except (UnavailableError, asyncio.CancelledError):
            self._doubtful.add(item.id)
            raise
        except Exception as error:  # boundary: one thing that cannot be drawn must not keep all others from being shown
            log.exception("%s %s cannot be shown", item.kind.value, item.ref)
            await self._again(item, _LONGEST_BACKOFF, f"{_LOST}{type(error).__name__}: {error}")
        return 0.0

    async def _attempt(self, item: OutboxItem, ref: MessageRef | None) -> float:
        if item.kind is OutboxKind.NOTICE:
            await self._whisper(item)
        else:
            shown = await self._presenter.present(item)
            wait = await self._show(item, shown, ref) if shown is not None else 0.0
            if wait:
                return wait
        await self._store.write(lambda tx: tx.outbox_delivered(item))
        self._doubtful.discard(item.id)
        return 0.0

    async def _show(self, item: OutboxItem, shown: Shown, ref: MessageRef | None) -> float:
        place = ref.channel_id if ref else self._channels.known(shown.destination)
        self._headed_for[item.id] = place
        wait = self._pacer.take(place)
        if wait:
            return wait
        if ref is None and self._may_be_there(item):
            ref = await self._find_own(item, shown)
        if ref is not None:
            update = self._client.chat_update
            await self._send(update, item, shown, shown.payload(), channel=ref.channel_id, ts=ref.ts)
        else:
            await self._post(item, shown)
        self._reached()
        return 0.0

    async def _post(self, item: OutboxItem, shown: Shown) -> None:
        channel = shown.destination
        quietly = {"unfurl_links": False, "unfurl_media": False}
        thread_ts = shown.thread.ts if shown.thread else None
        post = self._client.chat_postMessage
        try:
            answer = await self._send(
                post, item, shown, shown.payload(), channel=channel, thread_ts=thread_ts, **quietly
            )
        except SlackApiError as error:
            if meaning(error) is not Meaning.ELSEWHERE or channel == shown.fallback:
                raise
            log.warning("%s refused (%s): using %s instead", channel, error_code(error), shown.fallback)
            channel = shown.fallback
            answer = await self._send(post, item, shown, shown.redirected(), channel=channel, **quietly)
        channel_id = str(answer["channel"])
        if self._channels.known(channel) != channel_id:
            self._channels.learn(channel, channel_id)
            self._pacer.take(channel_id)  # what was written by its name counts
        await self._remember(item, channel_id, str(answer["ts"]))

    async def _send(
        self, call: Send, item: OutboxItem, shown: Shown, payload: Mapping[str, Any], **where: Any
    ) -> AsyncSlackResponse:
        try:
            return await call(**where, **payload)
        except SlackApiError as error:
            if meaning(error) is not Meaning.NEVER:
                raise
            # Its text says everything too; without it nobody would hear of this at all.
            log.error(  # noqa: TRY400 - Slack's own words say why, our traceback does not
                "Slack refuses the blocks of %s %s; its text is shown: %s", item.kind.value, item.ref, _problem(error)
            )
            return await call(**where, **shown.text_alone(item, error_code(error)))

    def _may_be_there(self, item: OutboxItem) -> bool:
        """Return whether an attempt before may have posted it without our knowing."""
        if item.attempts:
            return item.error.startswith(_LOST)
        return item.id in self._doubtful or item.created_at < self._began

    async def _find_own(self, item: OutboxItem, shown: Shown) -> MessageRef | None:
        found = await self._own.find(shown, item.created_at)
        return await self._remember(item, *found) if found else None

    async def _remember(self, item: OutboxItem, channel_id: str, ts: str) -> MessageRef:
        ref = MessageRef(kind=item.kind, ref=item.ref, team_id=self._who.team_id, channel_id=channel_id, ts=ts)
        stored = await self._store.write(lambda tx: tx.record_message(ref))
        if stored != ref:
            log.warning("%s %s is shown twice; buttons count on one of the two", item.kind.value, item.ref)
        return stored

    async def _whisper(self, item: OutboxItem) -> None:
        if self._clock.now() - item.created_at > STALE_NOTICE:
            log.info("a notice to one person is too old to be of use, and is dropped")
            return
        channel, user = str(item.payload["channel"]), str(item.payload["user"])
        said = notice(str(item.payload["text"])).payload()
        try:
            if channel == user:
                await self._client.chat_postMessage(channel=user, **said)
            else:
                await self._client.chat_postEphemeral(channel=channel, user=user, **said)
        except SlackApiError as error:
            out_of_place = meaning(error) is Meaning.ELSEWHERE or error_code(error) == "user_not_in_channel"
            if channel == user or not out_of_place:
                raise
            await self._client.chat_postMessage(channel=user, **said)
        self._reached()

    async def _refused(self, item: OutboxItem, error: SlackApiError) -> None:
        code = error_code(error)
        ref = await self._store.read(lambda reader: reader.message(item.kind, item.ref))
        match meaning(error):
            case Meaning.WAIT if is_rate_limit(error):
                await self._too_fast(item, wait_asked(error))
            case Meaning.WAIT:
                self._rest()
                await self._again(item, _backoff(item.attempts), f"{_LOST}{code}")
            case Meaning.LOCKED_OUT:
                self._lock_out(code)
                await self._again(item, LOCKED_OUT_PAUSE, code)
            case Meaning.GONE | Meaning.ELSEWHERE if ref is not None:
                log.warning("the message of %s %s is gone (%s); it is posted anew", item.kind.value, item.ref, code)
                await self._store.write(lambda tx: forget(tx, ref))
                await self._again(item, _backoff(item.attempts) if item.attempts else 0.0, code)
            case Meaning.GONE if item.kind in IN_THE_THREAD:
                await self._post_card_anew(item, code)
            case _:
                self.health.given_up += 1
                log.error("Slack refuses %s %s for good: %s", item.kind.value, item.ref, _problem(error))
                await self._store.write(lambda tx: tx.outbox_give_up(item, error=code))

    async def _too_fast(self, item: OutboxItem, seconds: float) -> None:
        place = self._headed_for.get(item.id)
        if place is not None:
            self._pacer.pause(place, seconds)
        await self._again(item, seconds, "ratelimited")

    def _lock_out(self, code: str) -> None:
        if self.health.locked_out != code:
            log.error("Slack does not accept the bot's token (%s); nothing can be posted. Run `operator doctor`.", code)
        self.health.locked_out = code
        self._resume_at = self._clock.monotonic() + LOCKED_OUT_PAUSE

    async def _post_card_anew(self, item: OutboxItem, code: str) -> None:
        """Have the card posted again to which something is a reply, and try that afterwards."""
        number = proposal_of(item)
        log.warning("the card of action %s is gone (%s); it is posted anew before the replies to it", number, code)
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            forget(tx, tx.message(OutboxKind.CARD, number))
            tx.enqueue(OutboxKind.CARD, number, at=now)

        await self._store.write(work)
        await self._again(item, _backoff(item.attempts), code)

    def _rest(self) -> None:
        """Let Slack alone for a while: what one call does not reach, the next would not either."""
        self._resume_at = self._clock.monotonic() + min(_LONGEST_REST, 0.5 * 2**self._failures)
        self._failures = min(self._failures + 1, 10)

    def _reached(self) -> None:
        self._failures = 0
        self.health.locked_out = ""

    async def _again(self, item: OutboxItem, seconds: float, why: str) -> None:
        due_at = self._clock.now() + timedelta(seconds=seconds)
        log.info("%s %s is tried again in %.0f s: %s", item.kind.value, item.ref, seconds, why)
        await self._store.write(lambda tx: tx.outbox_retry(item, due_at=due_at, error=why[:200]))


def _problem(error: SlackApiError) -> str:
    body = getattr(error.response, "data", None)
    details = body.get("response_metadata") if isinstance(body, Mapping) else None
    return f"{error_code(error)} {details or ''}".strip()[:500]


def _backoff(attempts: int) -> float:
    return float(min(_LONGEST_BACKOFF, 2 ** min(attempts, 10)))
