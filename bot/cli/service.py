"""`operator run`."""

from bot.serve import serve
from bot.settings import load


async def run(*, host: str | None, port: int | None) -> int:
    """Serve until stopped."""
    await serve(load(), host=host, port=port)
    return 0
