"""The Bolt app: every listener attached to one dispatcher, whichever way Slack reaches it."""

import logging

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from actions.executor import ActionExecutor
from actions.ports import Clock, Publisher, Store
from actions.registry import ActionRegistry
from actions.reminders import Reminders
from actions.safety import SafetyController
from bot.desk import Desk
from bot.doorkeeper import Doorkeeper
from bot.listeners import aftermath, approvals, cancellations, commands, errors, home, proposing, reading, reminders
from bot.modals import Modals
from bot.presenter import CardPresenter
from bot.workspace_identity import WorkspaceIdentity


def build_app(
    client: AsyncWebClient,
    *,
    who: WorkspaceIdentity,
    executor: ActionExecutor,
    safety: SafetyController,
    reminding: Reminders,
    registry: ActionRegistry,
    doorkeeper: Doorkeeper,
    presenter: CardPresenter,
    desk: Desk,
    modals: Modals,
    slash: commands.Commands,
    store: Store,
    clock: Clock,
    publisher: Publisher,
) -> AsyncApp:
    """Return the app. Requests must have passed `bot.gate`, or come in over Socket Mode.

    `process_before_response` makes a handler's decision durable before Slack hears of it, and avoids a poll of 10 ms.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id=who.team_id,
            bot_id=who.bot_id,
            bot_user_id=who.bot_user_id,
            bot_token=client.token,
        )

    app = AsyncApp(
        name="operator-bot",
        logger=logging.getLogger("slack_bolt"),  # Bolt gives its loggers this one's level, or the root's
        client=AsyncWebClient(base_url=client.base_url),  # without the token: listeners act through our own parts
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        raise_error_for_unhandled_request=True,
    )
    approvals.register(app, executor=executor, doorkeeper=doorkeeper, presenter=presenter, modals=modals)
    cancellations.register(app, executor=executor, modals=modals)
    proposing.register(app, executor=executor, doorkeeper=doorkeeper, registry=registry, modals=modals)
    aftermath.register(app, executor=executor, doorkeeper=doorkeeper, desk=desk, modals=modals)
    reading.register(app, executor=executor, doorkeeper=doorkeeper, desk=desk, modals=modals)
    commands.register(app, commands=slash)
    home.register(app, desk=desk, safety=safety, modals=modals)
    reminders.register(app, reminders=reminding)
    errors.register(app, store=store, modals=modals, clock=clock, publisher=publisher)
    return app
