"""Sizes and shares as people read them."""


def size(count: int | None) -> str:
    """Return bytes as `4.3 MiB`, or `not known`."""
    if count is None:
        return "not known"
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} TiB"


def percent(share: float) -> str:
    """Return a share of one as `80 %`."""
    return f"{share * 100:.0f} %"
