"""Who the bot is in Slack, asked once at start; a wrong token is found here and not at the first click."""

from dataclasses import dataclass

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.errors import ConfigurationError, UnavailableError
from bot.slack_errors import NO_ANSWER, Meaning, error_code, meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceIdentity:
    """What auth.test says."""

    team_id: str
    bot_id: str
    bot_user_id: str
    url: str


async def who_am_i(client: AsyncWebClient) -> WorkspaceIdentity:
    """Ask Slack who the bot token belongs to.

    Raises:
        ConfigurationError: Slack does not accept the token.
        UnavailableError: Slack could not be reached.
    """
    try:
        said = await client.auth_test()
    except SlackApiError as error:
        raise _refused(
            client, error, "SLACK_BOT_TOKEN", "OAuth & Permissions, Bot User OAuth Token (xoxb-…)"
        ) from error
    except NO_ANSWER as error:
        raise _unreachable(client, error) from error
    except AttributeError as error:  # what the SDK makes of an answer in plain text
        raise _not_slack(client) from error
    if not said.get("bot_id"):
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is no bot's token. Copy the Bot User OAuth Token (xoxb-…) from api.slack.com/apps: "
            "OAuth & Permissions, and set it in the environment."
        )
    return WorkspaceIdentity(
        team_id=str(said["team_id"]),
        bot_id=str(said["bot_id"]),
        bot_user_id=str(said["user_id"]),
        url=str(said.get("url") or "https://slack.com/"),
    )


async def require_socket_mode(client: AsyncWebClient, app_token: str) -> None:
    """Ask for a Socket Mode address once: the SDK would try a bad token for ever without a word.

    Raises:
        ConfigurationError, UnavailableError
    """
    try:
        await client.apps_connections_open(app_token=app_token)
    except SlackApiError as error:
        where = "Basic Information, App-Level Tokens, scope connections:write (xapp-…)"
        raise _refused(client, error, "SLACK_APP_TOKEN", where) from error
    except NO_ANSWER as error:
        raise _unreachable(client, error) from error
    except AttributeError as error:  # as above
        raise _not_slack(client) from error


def _refused(
    client: AsyncWebClient, error: SlackApiError, variable: str, where: str
) -> ConfigurationError | UnavailableError:
    code = error_code(error)
    if code == "http_200":
        return _not_slack(client)
    if meaning(error) is Meaning.WAIT:
        return UnavailableError(f"Slack cannot answer now ({code}). Nothing was started; try again in a minute.")
    return ConfigurationError(
        f"Slack does not accept {variable} ({code}). Copy it anew from api.slack.com/apps: {where}, "
        f"and set it in the environment."
    )


def _not_slack(client: AsyncWebClient) -> ConfigurationError:
    return ConfigurationError(
        f"What answers at {client.base_url} is not Slack. Check SLACK_API_URL, and whether a proxy stands in between."
    )


def _unreachable(client: AsyncWebClient, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"Slack cannot be reached at {client.base_url} ({type(error).__name__}). Check the network, or SLACK_API_URL. "
        "Without Slack, `operator actions …` works on this host."
    )
