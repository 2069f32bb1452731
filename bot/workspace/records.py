"""What a workspace holds. Records are frozen; how each one looks in Slack's JSON stands beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The workspace itself."""

    id: str
    name: str
    domain: str

    def to_json(self) -> Json:
        """The team as ``team.info`` shows it."""
        return {"id": self.id, "name": self.name, "domain": self.domain, "email_domain": "", "icon": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a bot. A stranger belongs to another team and is here through a shared channel."""

    id: str
    name: str
    real_name: str
    team_id: str
    is_bot: bool = False
    deleted: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False

    def to_json(self) -> Json:
        """The user as ``users.info`` shows it; Slack leaves the roles of a deactivated user out, so do we."""
        user: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "profile": {"real_name": self.real_name, "display_name": self.name, "team": self.team_id},
        }
        if not self.deleted:
            user |= {
                "tz": "Etc/UTC",
                "tz_label": "UTC",
                "tz_offset": 0,
                "is_admin": False,
                "is_owner": False,
                "is_primary_owner": False,
                "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted,
            }
        if self.is_stranger:
            user["is_stranger"] = True
        return user

    def as_actor(self, team: Team) -> Json:
        """The user as an interaction payload names whoever acted."""
        return {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team_id or team.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup:
    """A mentionable group of people."""

    id: str
    handle: str
    name: str
    user_ids: tuple[str, ...]
    disabled: bool = False

    def to_json(self, team: Team, *, with_users: bool) -> Json:
        """The group as ``usergroups.list`` shows it."""
        group: Json = {
            "id": self.id,
            "team_id": team.id,
            "is_usergroup": True,
            "name": self.name,
            "handle": self.handle,
            "description": "",
            "date_delete": 1 if self.disabled else 0,
            "user_count": len(self.user_ids),
        }
        if with_users:
            group["users"] = list(self.user_ids)
        return group


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A conversation. *kind* is ``channel`` (public), ``group`` (private) or ``im`` (the app and one person)."""

    id: str
    name: str
    members: frozenset[str]
    kind: str = "channel"
    archived: bool = False
    topic: str = ""

    def to_json(self, viewer: str) -> Json:
        """The conversation as ``conversations.info`` shows it to *viewer*."""
        shared: Json = {
            "id": self.id,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": self.kind == "im",
            "is_mpim": False,
            "is_private": self.kind != "channel",
            "is_archived": self.archived,
            "created": 0,
        }
        if self.kind == "im":
            return shared | {"user": next(iter(self.members - {viewer}), viewer), "is_open": True}
        return shared | {
            "name": self.name,
            "name_normalized": self.name,
            "is_general": False,
            "is_member": viewer in self.members,
            "num_members": len(self.members),
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file; *content* is None until its bytes have arrived."""

    id: str
    name: str
    user_id: str
    title: str = ""
    content: bytes | None = None

    def to_json(self, page_url: str) -> Json:
        """The file as it appears in a message."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "user": self.user_id,
            "size": len(self.content or b""),
            "mimetype": "application/octet-stream",
            "url_private": f"{page_url}files/{self.id}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; with *visible_to* it is ephemeral and only that user sees it."""

    ts: str
    channel_id: str
    user_id: str
    team_id: str
    text: str = ""
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    metadata: Json | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    edited_ts: str | None = None
    app_id: str | None = None
    bot_id: str | None = None
    visible_to: str | None = None
    files: tuple[Json, ...] = ()
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        """Whether the message stands in a thread that another message began."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def to_json(self, *, with_metadata: bool = False) -> Json:
        """The message as ``conversations.history`` shows it."""
        message: Json = {
            "type": "message",
            "user": self.user_id,
            "ts": self.ts,
            "team": self.team_id,
            "text": self.text,
        }
        optional = {
            "blocks": list(self.blocks),
            "attachments": list(self.attachments),
            "thread_ts": self.thread_ts,
            "files": list(self.files),
            "app_id": self.app_id,
            "bot_id": self.bot_id,
            "metadata": self.metadata if with_metadata else None,
            "subtype": "thread_broadcast" if self.broadcast else None,
            "is_ephemeral": True if self.visible_to else None,
            "edited": {"user": self.user_id, "ts": self.edited_ts} if self.edited_ts else None,
            "reactions": [
                {"name": name, "users": list(users), "count": len(users)} for name, users in self.reactions.items()
            ],
        }
        return message | {key: value for key, value in optional.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A modal or App Home tab as one user sees it; *definition* is what the app sent."""

    id: str
    user_id: str
    team_id: str
    app_id: str
    bot_id: str
    hash: str
    definition: Json
    root_view_id: str
    previous_view_id: str | None = None
    values: Json = field(default_factory=dict)

    @property
    def blocks(self) -> list[Json]:
        """The view's blocks, with every id filled in."""
        blocks: list[Json] = self.definition["blocks"]
        return blocks

    def to_json(self) -> Json:
        """The view as ``views.open`` answers it and payloads carry it."""
        given = self.definition
        return {
            "id": self.id,
            "team_id": self.team_id,
            "app_id": self.app_id,
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
            "type": given["type"],
            "title": given.get("title"),
            "submit": given.get("submit"),
            "close": given.get("close"),
            "blocks": self.blocks,
            "private_metadata": given.get("private_metadata", ""),
            "callback_id": given.get("callback_id", ""),
            "external_id": given.get("external_id", ""),
            "state": {"values": self.values},
            "hash": self.hash,
            "clear_on_close": given.get("clear_on_close", False),
            "notify_on_close": given.get("notify_on_close", False),
            "root_view_id": self.root_view_id,
            "previous_view_id": self.previous_view_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What Slack shows beside something a person did when the app did not acknowledge it."""

    user_id: str
    error: str
    text: str
    at: str
    channel_id: str | None = None
    message_ts: str | None = None
    block_id: str | None = None
    action_id: str | None = None
    view_id: str | None = None

    def to_json(self) -> Json:
        """The failure as the page shows it."""
        return {
            "error": self.error,
            "text": self.text,
            "at": self.at,
            "channel": self.channel_id,
            "ts": self.message_ts,
            "block_id": self.block_id,
            "action_id": self.action_id,
            "view_id": self.view_id,
        }
