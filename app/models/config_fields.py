"""Checks of a foreign `config.json`, field by field, before anything is built from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LARGEST_WIDTH = 1 << 16
LARGEST_DEPTH = 512


def check_whole_numbers(values: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    """Refuse sizes that are no whole numbers from 1 to their limit.

    Raises
    ------
    ValueError
        Naming the first field and its value.
    """
    for name, limit in limits.items():
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
            raise ValueError(f"{name} is {value!r}; a whole number from 1 to {limit} is needed.")


def check_epsilon(value: Any) -> None:
    """Refuse a LayerNorm epsilon that is no small positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"layer_norm_eps is {value!r}; a number is needed.")
    if not 0.0 < value <= 1e-2:
        raise ValueError(f"layer_norm_eps is {value!r}; it must lie between 0 and 0.01.")


def check_choice(values: Mapping[str, Any], name: str, *implemented: Any) -> None:
    """Refuse a field that is set to something this code does not implement.

    A field that is absent means the published default, which is the first one implemented.

    Raises
    ------
    ValueError
        Naming the field, its value and what is implemented.
    """
    value = values.get(name, implemented[0])
    # `1 == True` in Python; a setting of the wrong type is not the implemented one.
    if not any(type(value) is type(known) and value == known for known in implemented):
        known = " or ".join(repr(one) for one in implemented)
        raise ValueError(f"{name} is {value!r}; only {known} is implemented.")
