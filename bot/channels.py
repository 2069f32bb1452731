"""Which id a channel has that the configuration names by `#name`."""

from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

_PAGE: Final = 1_000


class Channels:
    """Learns ids from Slack's answers, and asks only for those that it has not met yet."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}

    def known(self, channel: str) -> str:
        """Return the id if it is known, else *channel* as it is."""
        return self._ids.get(channel, channel)

    def learn(self, channel: str, channel_id: str) -> None:
        """Remember what Slack calls *channel*."""
        if channel.startswith("#"):
            self._ids[channel] = channel_id

    async def find(self, channel: str) -> str | None:
        """Return the id of *channel*, asking Slack if need be; None if there is none. Raises `SlackApiError`."""
        if not channel.startswith("#"):
            return channel
        if channel not in self._ids:
            await self._look_up(channel.removeprefix("#"))
        return self._ids.get(channel)

    async def _look_up(self, name: str) -> None:
        cursor: str | None = ""
        while cursor is not None:
            answer = await self._client.conversations_list(
                types="public_channel,private_channel", exclude_archived=True, limit=_PAGE, cursor=cursor or None
            )
            found: list[dict[str, Any]] = answer.get("channels") or []
            for one in found:
                if one.get("name") == name:
                    return self.learn(f"#{name}", str(one["id"]))
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
        return None
