"""Reads the config of a loaded model without ever failing.

A config may raise anything for an attribute that it holds per layer, names differently or computes; a reader that
only wants to know gets its default then. Costs nothing. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def value_of(config: Any, *names: str) -> Any:
    """The first of these attributes that is there and is not None; None for none of them."""
    for name in names:
        try:
            value = getattr(config, name, None)
        except Exception:  # noqa: BLE001 - configs raise errors of their own kinds; not knowing is an answer here
            continue
        if value is not None:
            return value
    return None


def whole_number_of(config: Any, *names: str) -> int | None:
    """The first of these attributes that is a whole number above 0; of a list, one number a layer, the largest."""
    for name in names:
        found = _number(value_of(config, name))
        if found is not None and found >= 1:
            return int(found)
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        numbers = [found for found in map(_number, value) if found is not None]
        return max(numbers, default=None)
    return None


def text_config(model: Any) -> Any:
    """The config of the model's text part: itself where it has only one, None where it can't be had."""
    config = value_of(model, "config")
    get = value_of(config, "get_text_config")
    try:
        return get() if callable(get) else config
    except Exception:  # noqa: BLE001 - as above
        return value_of(config, "text_config") or config
