"""How figures are printed."""


def show(what: str, value: str) -> None:
    """One figure, as soon as it is known."""
    print(f"    {what:<58} {value:>24}", flush=True)


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]
