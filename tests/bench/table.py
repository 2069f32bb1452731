"""What was measured, beside what it may be, as a table of Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.rounds import Spread

WITHIN: Final = "within"
OVER: Final = "over budget"
_HEADINGS: Final = ("what", "measured", "budget", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    budget: str = ""
    verdict: str = ""
    """`WITHIN`, `OVER`, or nothing for what has no budget."""

    @property
    def is_over(self) -> bool:
        """Whether it costs more than it may."""
        return self.verdict == OVER

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns."""
        return self.what, self.measured, self.budget or "-", self.verdict or "for information"


def at_most(what: str, found: Spread, limit: float, unit: str, *, detail: str = "") -> Row:
    """Return a line whose median may be no higher than *limit*."""
    return _judged(what, found, f"≤ {limit:g} {unit}", unit, detail, within=found.median <= limit)


def at_least(what: str, found: Spread, limit: float, unit: str, *, detail: str = "") -> Row:
    """Return a line whose median may be no lower than *limit*."""
    return _judged(what, found, f"≥ {limit:,g} {unit}", unit, detail, within=found.median >= limit)


def told(what: str, found: Spread, unit: str, *, detail: str = "") -> Row:
    """Return a line without a budget."""
    return Row(what=what, measured=_measured(found, unit, detail))


def markdown(rows: Iterable[Row]) -> str:
    """Return the whole table, its columns aligned."""
    lines: Sequence[tuple[str, ...]] = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = [_line(cells, widths) for cells in lines]
    return "\n".join([drawn[0], _line(["-" * width for width in widths], widths), *drawn[1:]])


def summary(rows: Sequence[Row]) -> str:
    """Return how many budgets were kept."""
    over = [row for row in rows if row.is_over]
    with_budget = sum(bool(row.verdict) for row in rows)
    return f"{len(over)} of {with_budget} budgets exceeded{': ' if over else ''}{'; '.join(row.what for row in over)}"


def _judged(what: str, found: Spread, budget: str, unit: str, detail: str, *, within: bool) -> Row:
    return Row(what=what, measured=_measured(found, unit, detail), budget=budget, verdict=WITHIN if within else OVER)


def _measured(found: Spread, unit: str, detail: str) -> str:
    spread = f" ({_figure(found.lowest)} to {_figure(found.highest)})" if found.count > 1 else ""
    return f"{_figure(found.median)} {unit}{spread}{f'; {detail}' if detail else ''}"


def _figure(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
