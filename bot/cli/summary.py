"""`operator digest preview` and `send`."""

from actions.errors import BadRequestError
from bot.cli.output import clean, print_json, say
from bot.digest import DigestScheduler
from bot.settings import Settings, load
from bot.views.digest import DigestData, Tally, digest
from bot.views.room import spoken
from bot.wiring import opened


async def preview(name: str | None, *, as_json: bool) -> int:
    """Print what a digest would say now."""
    settings = load()
    _require(settings, name)
    async with opened(settings) as parts:
        data = await DigestScheduler(parts).data(name)
    if as_json:
        print_json(_data_json(data))
        return 0
    for row in spoken(list(digest(data).blocks)):
        say(clean(row))
    return 0


async def send(name: str | None) -> int:
    """Order a digest now."""
    settings = load()
    _require(settings, name)
    async with opened(settings) as parts:
        order = await DigestScheduler(parts).send_now(name)
    where = order.channel or settings.channel or "the default channel"
    say(f"The digest waits to be posted in {where}; `operator run` posts it.")
    return 0


def _require(settings: Settings, name: str | None) -> None:
    names = [one.name for one in settings.digests]
    if name is not None and name not in names:
        raise BadRequestError(f"There is no digest {name!r}. Configured: {', '.join(names) or 'none'}.")


def _data_json(data: DigestData) -> dict[str, object]:
    return {
        "since": data.since.isoformat(),
        "until": data.until.isoformat(),
        "checkpoint": data.checkpoint.line(),
        "open_tickets": [ticket.key for ticket in data.open_tickets],
        "pending": _tally_json(data.pending),
        "unknown": _tally_json(data.unknown),
        "done": _tally_json(data.done),
        "failed": _tally_json(data.failed),
        "mode_changes": [change.seq for change in data.mode_changes],
        "approvals": data.approvals,
        "median_decision_seconds": data.median_decision_seconds,
    }


def _tally_json(tally: Tally) -> dict[str, object]:
    return {"count": tally.count, "newest": [proposal.id for proposal in tally.newest]}
