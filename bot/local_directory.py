"""Who people on this machine are. Needs no network, so that the command line stays quick without Slack."""

from typing import Final

from actions.models import Actor, ActorKind
from actions.ports import Standing

MEMBER: Final = Standing(active=True, full_member=True)


class LocalDirectory:
    """`actions.ports.Directory` of this machine: whoever runs the command as the bot's own user is who he is."""

    async def standing(self, actor: Actor) -> Standing:
        """See `Directory.standing`. Approvals from Slack cannot be looked up here, so they do not count."""
        match actor.kind:
            case ActorKind.CLI:
                return MEMBER
            case ActorKind.SLACK:
                return unknown(
                    "this process cannot ask Slack who that is (SLACK_BOT_TOKEN is not set here). "
                    "`operator run` can: start it, or set the token"
                )
            case _:
                return refused("only people have accounts")


def unknown(problem: str) -> Standing:
    """Return the standing of somebody about whom nobody could be asked, and why."""
    return Standing(active=False, full_member=False, problem=problem, known=False)


def refused(problem: str) -> Standing:
    """Return the standing of somebody who may do nothing, and why."""
    return Standing(active=False, full_member=False, problem=problem)
