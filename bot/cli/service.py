"""`operator run`."""

from bot.logging_setup import set_up_logging
from bot.serve import serve
from bot.settings import load


async def run(*, host: str | None, port: int | None) -> int:
    """Serve until stopped."""
    settings = load()
    set_up_logging(settings)
    await serve(settings, host=host, port=port)
    return 0
