"""Numbers and durations as people read them."""

from __future__ import annotations


def short(value: object) -> str:
    """Return a value in a few characters.

    >>> from luthier.text import short
    >>> short(0.0123456), short("adamw")
    ('0.01235', 'adamw')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return a time as people write it.

    >>> from luthier.text import duration
    >>> duration(0.25), duration(90), duration(3 * 3600 + 120)
    ('0.2 s', '1 min 30 s', '3 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds} s" if isinstance(seconds, int) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
