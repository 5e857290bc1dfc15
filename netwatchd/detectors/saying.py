"""Numbers as a sentence says them."""

UNITS = ("bytes", "kB", "MB", "GB")


def span(milliseconds: int) -> str:
    """`0.4 s`, `37 s`, `4 min`, `2.5 h`, `3 days`."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def amount(size: float) -> str:
    """`613 bytes`, `2.7 kB`, `52 MB`: powers of ten."""
    if size < 1000:
        return f"{size:.0f} bytes"
    power = next((power for power in (1, 2) if size < 1000 ** (power + 1)), 3)
    size /= 1000**power
    return f"{size:.{1 if size < 10 else 0}f} {UNITS[power]}"
