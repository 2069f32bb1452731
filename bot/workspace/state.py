"""The state of the workspace: who is there, what was said, and what Slack would show each of them."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from bot.workspace.app import App
from bot.workspace.errors import RefusedError
from bot.workspace.ids import Ids
from bot.workspace.interactive import with_ids
from bot.workspace.records import Channel, Failure, File, Json, Message, Team, User, UserGroup
from bot.workspace.response_urls import ResponseUrls
from bot.workspace.triggers import Triggers
from bot.workspace.views import Views


class State:
    """Everything the workspace remembers. It refuses what names nothing; what Slack's methods refuse is theirs to know.

    *clock* gives seconds since the epoch; *changed* is called after every change.
    """

    def __init__(
        self, *, team: Team, app: App, clock: Callable[[], float], ids: Ids, changed: Callable[[], None]
    ) -> None:
        self.team = team
        self.app = app
        self.ids = ids
        self.users: dict[str, User] = {}
        self.groups: dict[str, UserGroup] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.failures: list[Failure] = []
        self.triggers = Triggers(clock=clock, ids=ids)
        self.response_urls = ResponseUrls(clock=clock, ids=ids)
        self.views = Views(team=team, app=app, ids=ids, changed=changed)
        self._clock = clock
        self._changed = changed
        self._messages: dict[str, dict[str, Message]] = {}
        self._last_micros = 0
        self.put_user(User(id=app.bot_user_id, name=app.name.lower(), real_name=app.name, team_id=team.id, is_bot=True))

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._clock()

    def next_ts(self) -> str:
        """Return a message timestamp that is later than all before."""
        self._last_micros = max(int(self._clock() * 1_000_000), self._last_micros + 1)
        seconds, micros = divmod(self._last_micros, 1_000_000)
        return f"{seconds}.{micros:06d}"

    def put_user(self, user: User) -> User:
        """Add *user*, or replace who has that id."""
        self.users[user.id] = user
        self._changed()
        return user

    def change_user(self, name_or_id: str, **changes: Any) -> User:
        """Change fields of a user, for instance ``deleted=True``."""
        return self.put_user(replace(self.user(name_or_id), **changes))

    def user(self, name_or_id: str) -> User:
        """Return a user by id or name, or refuse with ``user_not_found``."""
        found = self.users.get(name_or_id) or next((u for u in self.users.values() if u.name == name_or_id), None)
        if found is None:
            raise RefusedError("user_not_found")
        return found

    def put_group(self, group: UserGroup) -> UserGroup:
        """Add *group*, or replace the one with that id."""
        self.groups[group.id] = group
        self._changed()
        return group

    def put_channel(self, channel: Channel) -> Channel:
        """Add *channel*, or replace the one with that id."""
        self.channels[channel.id] = channel
        self._changed()
        return channel

    def channel(self, name_or_id: str) -> Channel:
        """Return a conversation by id or name (``ops`` or ``#ops``), or refuse with ``channel_not_found``."""
        name = name_or_id.removeprefix("#")
        found = self.channels.get(name_or_id) or next(
            (c for c in self.channels.values() if c.name == name and c.kind != "im"), None
        )
        if found is None:
            raise RefusedError("channel_not_found")
        return found

    def join(self, channel: Channel, user_id: str) -> Channel:
        """Make *user_id* a member of *channel*."""
        return self.put_channel(replace(channel, members=channel.members | {user_id}))

    def leave(self, channel: Channel, user_id: str) -> Channel:
        """Take *user_id* out of *channel*."""
        return self.put_channel(replace(channel, members=channel.members - {user_id}))

    def direct_message(self, user: User) -> Channel:
        """Return the conversation between the app and *user*, opened if need be."""
        members = frozenset({user.id, self.app.bot_user_id})
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members == members:
                return channel
        return self.put_channel(Channel(id=self.ids.next("D"), name=user.name, kind="im", members=members))

    def messages(self, channel_id: str, *, seen_by: str) -> Iterator[Message]:
        """Yield what *seen_by* sees in a channel, oldest first, replies and own ephemeral messages included."""
        for message in self._messages.get(channel_id, {}).values():
            if message.visible_to in {None, seen_by}:
                yield message

    def message(self, channel_id: str, ts: str, *, seen_by: str) -> Message:
        """Return one message as *seen_by* may see it, or refuse with ``message_not_found``."""
        found = self._messages.get(channel_id, {}).get(ts)
        if found is None or found.visible_to not in {None, seen_by}:
            raise RefusedError("message_not_found")
        return found

    def thread(self, message: Message, *, seen_by: str) -> list[Message]:
        """Return the replies to *message* that *seen_by* sees, oldest first."""
        seen = self.messages(message.channel_id, seen_by=seen_by)
        return [other for other in seen if other.thread_ts == message.ts and other.is_reply]

    def thread_summary(self, message: Message, *, seen_by: str) -> Json:
        """Return what Slack adds to a message that *seen_by* sees replies to; empty without any."""
        answers = self.thread(message, seen_by=seen_by)
        if not answers:
            return {}
        return {
            "thread_ts": message.ts,
            "reply_count": len(answers),
            "reply_users": sorted({answer.user_id for answer in answers}),
            "latest_reply": answers[-1].ts,
        }

    def post(self, message: Message) -> Message:
        """Store *message* with ids for its blocks and elements; its ``ts`` is expected to come from `next_ts`."""
        stored = replace(message, blocks=tuple(with_ids(message.blocks, self.ids)))
        self._messages.setdefault(message.channel_id, {})[message.ts] = copy.deepcopy(stored)
        self._changed()
        return stored

    def say(self, user: User, channel: Channel, text: str, *, thread_ts: str | None = None) -> Message:
        """Post what a person typed."""
        return self.post(
            Message(
                ts=self.next_ts(),
                channel_id=channel.id,
                user_id=user.id,
                team_id=user.team_id,
                text=text,
                thread_ts=thread_ts,
            )
        )

    def app_message(self, channel_id: str, **fields: Any) -> Message:
        """Post as the app; *fields* are those of `Message`."""
        return self.post(
            Message(
                ts=self.next_ts(),
                channel_id=channel_id,
                user_id=self.app.bot_user_id,
                team_id=self.team.id,
                app_id=self.app.id,
                bot_id=self.app.bot_id,
                **fields,
            )
        )

    def delete(self, message: Message) -> None:
        """Forget *message*."""
        del self._messages[message.channel_id][message.ts]
        self._changed()

    def put_file(self, file: File) -> File:
        """Add *file*, or replace the one with that id."""
        self.files[file.id] = file
        self._changed()
        return file

    def file(self, file_id: str) -> File:
        """Return a file or refuse with ``file_not_found``."""
        if file_id not in self.files:
            raise RefusedError("file_not_found")
        return self.files[file_id]

    def note(self, failure: Failure) -> None:
        """Remember what could not be delivered to the app."""
        self.failures.append(failure)
        self._changed()

    def forget_failures(self, gone: Iterable[Failure]) -> None:
        """Take away warnings that a later success made obsolete."""
        obsolete = list(gone)
        self.failures = [failure for failure in self.failures if failure not in obsolete]
        if obsolete:
            self._changed()
