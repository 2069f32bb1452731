"""What a person can do in the workspace: click, type, fill in, close, look. Each becomes a payload and its answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.workspace import payloads
from bot.workspace.answers import answer_command, answer_submission
from bot.workspace.app import Shortcut
from bot.workspace.delivery import Acknowledgement, Delivery, Kind
from bot.workspace.errors import RefusedError
from bot.workspace.forms import entered_values, form_problems
from bot.workspace.interactive import interactive_elements
from bot.workspace.records import Channel, Failure, Json, Message, User, View
from bot.workspace.state import State

EVENT_RETRY_SECONDS = (0.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a person sees of what he did: acknowledged or not, after how long, and the errors of a form."""

    acked: bool
    ms: float = 0.0
    error: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """The outcome as the control API answers it."""
        return {"acked": self.acked, "ms": round(self.ms, 3), "error": self.error, "errors": dict(self.errors)}


class People:
    """Acts for the people of the workspace. Users and channels may be named by id or by name.

    It does what a person's client does: it offers nobody what is not on his screen, and refuses with Slack's codes. A
    deactivated person may act: his window can still be open.
    """

    def __init__(
        self,
        *,
        state: State,
        delivery: Callable[[], Delivery],
        site_url: Callable[[], str],
        retry_seconds: tuple[float, ...] = EVENT_RETRY_SECONDS,
    ) -> None:
        self._state = state
        self._delivery = delivery
        self._site_url = site_url
        self._retry_seconds = retry_seconds
        self._events: set[asyncio.Task[None]] = set()

    async def click(
        self,
        user: str,
        channel: str,
        ts: str,
        *,
        action_id: str | None = None,
        block_id: str | None = None,
        chosen: Json | None = None,
        values: Json | None = None,
        seen: Message | None = None,
    ) -> Outcome:
        """Use an element of a message.

        Args:
            user: Who clicks; must be in the channel.
            channel: Where the message is.
            ts: Which message.
            action_id: Which element; with *block_id* alone the block's only one.
            block_id: Where the element is, if its action_id is used in several blocks.
            chosen: What a select or picker was set to, for instance ``{"selected_option": …}``.
            values: What was typed into inputs of the message.
            seen: The message as the person saw it, if it has changed since.

        Raises:
            RefusedError: There is nothing like that on the person's screen.
        """
        person, place = self._present(user, channel)
        message = seen or self._state.message(place.id, ts, seen_by=person.id)
        found_in, element = _element(message.blocks, action_id=action_id, block_id=block_id)
        shared = self._shared(person) | {
            "response_url": self._response_url(person, place, message_ts=message.ts),
        }
        payload = payloads.message_click(
            shared,
            channel=place,
            message=message,
            action=payloads.action_of(found_in, element, at=self._state.next_ts(), chosen=chosen),
            values=entered_values(message.blocks, values or {}),
        )
        beside = self._beside(
            person, channel_id=place.id, message_ts=message.ts, block_id=found_in, action_id=element["action_id"]
        )
        return self._outcome(await self._delivery().deliver(Kind.INTERACTIVE, payload), beside)

    async def click_in_view(
        self,
        user: str,
        view_id: str,
        *,
        action_id: str | None = None,
        block_id: str | None = None,
        chosen: Json | None = None,
        values: Json | None = None,
    ) -> Outcome:
        """Use an element of an open modal or of the App Home; arguments as for `click`."""
        person = self._state.user(user)
        view = self._filled_in(self._own_view(person, view_id), values)
        found_in, element = _element(view.blocks, action_id=action_id, block_id=block_id)
        payload = payloads.view_click(
            self._shared(person, view_id=view.id),
            view=view,
            action=payloads.action_of(found_in, element, at=self._state.next_ts(), chosen=chosen),
        )
        beside = self._beside(person, view_id=view.id, block_id=found_in, action_id=element["action_id"])
        return self._outcome(await self._delivery().deliver(Kind.INTERACTIVE, payload), beside)

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Outcome:
        """Type a slash command; an unknown one is refused with ``invalid_command``, as Slack's client does."""
        person, place = self._present(user, channel)
        known = {offered.name for offered in self._state.app.commands}
        if known and command not in known:
            raise RefusedError("invalid_command")
        payload = payloads.slash_command(
            team=self._state.team,
            app=self._state.app,
            user=person,
            channel=place,
            command=command,
            text=text,
            trigger_id=self._state.triggers.issue(person.id),
            response_url=self._response_url(person, place),
        )
        beside = self._beside(person, channel_id=place.id)
        answered = await self._delivery().deliver(Kind.COMMAND, payload)
        if answered.acked and answered.payload:
            answered = self._tried(
                answered,
                lambda said: answer_command(self._state, user_id=person.id, channel_id=place.id, said=said),
            )
        return self._outcome(answered, beside, said=f'{command} failed with the error "{answered.error}".')

    async def submit(self, user: str, view_id: str, values: Json | None = None) -> Outcome:
        """Submit a modal; *values* maps block_id to action_id to what was entered (a string or Slack's own form).

        What Slack's client would not let a person submit (something required is empty) comes back as errors.
        """
        person = self._state.user(user)
        view = self._filled_in(self._own_view(person, view_id), values)
        missing = form_problems(view.blocks, view.values)
        if missing:
            return Outcome(acked=False, error="incomplete", errors=missing)
        payload = payloads.view_submission(self._shared(person, view_id=view.id), view=view)
        beside = self._beside(person, view_id=view.id)
        answered = await self._delivery().deliver(Kind.INTERACTIVE, payload)
        errors: dict[str, str] = {}
        if answered.acked:
            answered = self._tried(
                answered, lambda said: errors.update(answer_submission(self._state, view, said)), even_if_silent=True
            )
        outcome = self._outcome(answered, beside, said="We had some trouble connecting. Try again?")
        return replace(outcome, errors=errors)

    async def close(self, user: str, view_id: str, *, everything: bool = False) -> Outcome:
        """Close a modal, or *everything* that is stacked; the app is told if it asked for it."""
        person = self._state.user(user)
        view = self._own_view(person, view_id)
        if everything:
            self._state.views.clear(person.id)
        else:
            self._state.views.close(view)
        if not view.definition.get("notify_on_close"):
            return Outcome(acked=True)
        closer = payloads.envelope_fields(team=self._state.team, app=self._state.app, user=person)
        payload = payloads.view_closed(closer, view=view, is_cleared=everything)
        answered = await self._delivery().deliver(Kind.INTERACTIVE, payload)
        return Outcome(acked=answered.acked, ms=answered.ms, error=answered.error)

    async def shortcut(
        self, user: str, callback_id: str, *, channel: str | None = None, ts: str | None = None
    ) -> Outcome:
        """Use a shortcut, of a message if *channel* and *ts* name one.

        As in Slack the app need not be in the channel, and a message that only one person sees has no shortcuts.
        """
        if channel is not None and ts is not None:
            return await self._message_shortcut(user, callback_id, channel, ts)
        person = self._state.user(user)
        payload = payloads.global_shortcut(
            self._shared(person), shortcut=self._offered(callback_id, "global"), at=self._state.next_ts()
        )
        return self._outcome(await self._delivery().deliver(Kind.INTERACTIVE, payload), self._beside(person))

    async def open_home(self, user: str) -> Outcome:
        """Look at the App Home; the app hears of it if it subscribed to ``app_home_opened``."""
        person = self._state.user(user)
        if "app_home_opened" not in self._state.app.events:
            return Outcome(acked=True)
        event: Json = {
            "type": "app_home_opened",
            "user": person.id,
            "channel": self._state.direct_message(person).id,
            "tab": "home",
            "event_ts": self._state.next_ts(),
        }
        home = self._state.views.home(person.id)
        if home is not None:
            event["view"] = home.to_json()
        return await self._send_event(event)

    def say(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> Message:
        """Type a message."""
        person, place = self._present(user, channel)
        if not text.strip():
            raise RefusedError("no_text")
        return self._state.say(person, place, text, thread_ts=thread_ts)

    async def close_events(self) -> None:
        """Give up the events that are still to be repeated."""
        for task in self._events:
            task.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)

    async def _message_shortcut(self, user: str, callback_id: str, channel: str, ts: str) -> Outcome:
        person, place = self._present(user, channel)
        message = self._state.message(place.id, ts, seen_by=person.id)
        if message.visible_to is not None:
            raise RefusedError("shortcut_not_found")
        payload = payloads.message_shortcut(
            self._shared(person) | {"response_url": self._response_url(person, place, message_ts=ts)},
            shortcut=self._offered(callback_id, "message"),
            channel=place,
            message=message.to_json() | self._state.thread_summary(message, seen_by=person.id),
            at=self._state.next_ts(),
        )
        beside = self._beside(person, channel_id=place.id, message_ts=ts)
        return self._outcome(await self._delivery().deliver(Kind.INTERACTIVE, payload), beside)

    async def _send_event(self, event: Json) -> Outcome:
        state = self._state
        payload = payloads.event_callback(
            team=state.team, app=state.app, event=event, event_id=state.ids.next("Ev"), at=state.now()
        )
        answered = await self._delivery().deliver(Kind.EVENT, payload)
        if not answered.acked:
            task = asyncio.create_task(self._repeat_event(payload))
            self._events.add(task)
            task.add_done_callback(self._events.discard)
        return Outcome(acked=answered.acked, ms=answered.ms, error=answered.error)

    async def _repeat_event(self, payload: Json) -> None:
        for attempt, wait in enumerate(self._retry_seconds, start=1):
            await asyncio.sleep(wait)
            answered = await self._delivery().deliver(Kind.EVENT, payload, retry=attempt, retry_reason="http_timeout")
            if answered.acked:
                return

    def _present(self, user: str, channel: str) -> tuple[User, Channel]:
        person, place = self._state.user(user), self._state.channel(channel)
        if person.id not in place.members:
            raise RefusedError("not_in_channel")
        if place.archived:
            raise RefusedError("is_archived")
        return person, place

    def _own_view(self, person: User, view_id: str) -> View:
        view = self._state.views.get(view_id)
        if view.user_id != person.id:
            raise RefusedError("not_found")
        return view

    def _filled_in(self, view: View, values: Json | None) -> View:
        entered = view.values if values is None else values
        return self._state.views.enter(view, entered_values(view.blocks, entered))

    def _offered(self, callback_id: str, kind: str) -> Shortcut:
        for shortcut in self._state.app.shortcuts:
            if shortcut.callback_id == callback_id and shortcut.kind == kind:
                return shortcut
        raise RefusedError("shortcut_not_found")

    def _shared(self, person: User, *, view_id: str | None = None) -> Json:
        shared = payloads.envelope_fields(team=self._state.team, app=self._state.app, user=person)
        return shared | {"trigger_id": self._state.triggers.issue(person.id, view_id=view_id)}

    def _response_url(self, person: User, channel: Channel, *, message_ts: str | None = None) -> str:
        secret = self._state.response_urls.issue(user_id=person.id, channel_id=channel.id, message_ts=message_ts)
        return f"{self._site_url()}response/{self._state.team.id}/{self._state.app.id}/{secret}"

    def _beside(self, person: User, **where: str) -> Failure:
        return Failure(user_id=person.id, error="", text="", at="", **where)

    def _outcome(self, answered: Acknowledgement, beside: Failure, *, said: str | None = None) -> Outcome:
        """Put a warning *beside* what was used, or take away the one that is there."""
        earlier = [one for one in self._state.failures if replace(one, error="", text="", at="") == beside]
        self._state.forget_failures(earlier)
        if answered.error is not None:
            text = said or _WARNINGS.get(answered.error, _WARNINGS["dispatch_failed"])
            self._state.note(replace(beside, error=answered.error, text=text, at=self._state.next_ts()))
        return Outcome(acked=answered.acked, ms=answered.ms, error=answered.error)

    def _tried(
        self, answered: Acknowledgement, act: Callable[[Any], None], *, even_if_silent: bool = False
    ) -> Acknowledgement:
        if answered.payload is None and not even_if_silent:
            return answered
        try:
            act(answered.payload)
        except RefusedError as refused:
            return replace(answered, error=refused.code)
        return answered


_WARNINGS = {
    "operation_timeout": "Operation timed out. Apps need to respond within 3 seconds.",
    "dispatch_failed": "The app could not be reached. It got nothing of this.",
}


def _element(blocks: Any, *, action_id: str | None, block_id: str | None) -> tuple[str, Json]:
    everything = list(interactive_elements(blocks))
    # A block that its app did not name has another name after each update; what is pressed is then told by its action.
    anywhere = block_id is None or (action_id is not None and all(found_in != block_id for found_in, _ in everything))
    fitting = [
        (found_in, element)
        for found_in, element in everything
        if (anywhere or found_in == block_id) and (action_id is None or element["action_id"] == action_id)
    ]
    if not fitting:
        raise RefusedError("element_not_found")
    if len(fitting) > 1:
        raise RefusedError("element_ambiguous")
    return fitting[0]
