"""The local workspace as a process of its own: `python -m tests.bench.slack [limited]`.

Prints where it is and its secrets as a line of JSON; ends when its standard input does. When *limited*, it takes no new
messages ("slow down", for an hour): a card that is posted between the signing of a click and the click would spoil it.
"""

import asyncio
import json
import sys

from bot.workspace.faults import Fault, FaultKind
from bot.workspace.server import running_workspace

LIMITED = Fault(kind=FaultKind.RATE_LIMITED, retry_after="3600")


async def serve(*, limited: bool) -> None:
    """Be a workspace until standard input ends."""
    async with running_workspace() as workspace:
        if limited:
            workspace.faults.script("chat.postMessage", LIMITED, times=None)
        secrets = {
            "SLACK_API_URL": workspace.base_url,
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_APP_TOKEN": workspace.app_token,
            "SLACK_SIGNING_SECRET": workspace.signing_secret,
        }
        print(json.dumps(secrets), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(limited="limited" in sys.argv[1:]))
