"""Saying whether an effect is there, and saying so when that cannot be told."""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps

from actions.canonical import Json
from actions.errors import TargetUnavailableError
from actions.models import Fact
from actions.registry import Happened, P, Verdict

Verify = Callable[[P, Mapping[str, Json]], Awaitable[Verdict]]


def seen(happened: Happened, *evidence: Fact) -> Verdict:
    """Return a verdict on this evidence."""
    return Verdict(happened=happened, evidence=evidence)


def told(happened: bool | None, *evidence: Fact) -> Verdict:
    """Return yes or no, or cannot tell for None."""
    if happened is None:
        return seen(Happened.CANNOT_TELL, *evidence)
    return seen(Happened.YES if happened else Happened.NO, *evidence)


def cautious(verify: Verify[P]) -> Verify[P]:
    """Return *verify* with one more answer: a target that cannot be read tells nothing, neither yes nor no."""

    @wraps(verify)
    async def looked(parameters: P, before: Mapping[str, Json]) -> Verdict:
        try:
            return await verify(parameters, before)
        except TargetUnavailableError as error:
            return seen(Happened.CANNOT_TELL, Fact(label="Could not be read", value=str(error)))

    return looked
