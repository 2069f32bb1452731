"""`operator run`."""

import sys

from bot.log_lines import write_log
from bot.serve import serve
from bot.settings import load


async def run(*, host: str | None, port: int | None) -> int:
    """Serve until stopped."""
    settings = load()
    write_log(sys.stderr)
    await serve(settings, host=host, port=port)
    return 0
