"""Small types of a model card's fields: text, hashes, intervals, identifiers, figures."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LONGEST_TEXT = 2000
DEEPEST_TABLE = 4
IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
DEVICE_NAMES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10)))
)
# Figures that are shares or areas; a table of gains holds differences of them.
RATES = (
    "auroc",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "sensitivity",
    "specificity",
    "coverage",
    "p_value",
    "share",
)
GAIN = "gain_"


class Part(BaseModel):
    """One table of a card: exact types, finite numbers, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _plain(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; say it in words, or 'none'")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} characters")
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co") for sign in text):
        raise ValueError("holds invisible or control characters")
    return text


def model_id_problem(text: str) -> str:
    """Why `text` cannot be a model's id, which is also a folder's name; "" if it can."""
    if not IDENTIFIER.fullmatch(text):
        return "must be 1 to 64 of a-z, 0-9 and '-', and begin and end with a letter or digit"
    if text in DEVICE_NAMES:
        return "is a name that Windows keeps for a device"
    return ""


def _identifier(text: str) -> str:
    if problem := model_id_problem(text):
        raise ValueError(problem)
    return text


def _hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be a SHA-256 in 64 lower-case hexadecimal digits")
    return text


def _pair(value: Any) -> Any:
    """TOML has lists only; an interval is a list of two numbers."""
    if isinstance(value, list) and len(value) == 2:
        return tuple(value)
    if isinstance(value, tuple):
        return value
    raise ValueError("must be a list of two numbers, [low, high]")


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] <= pair[1]:
        raise ValueError(f"must be in order, low before high (found {pair[0]:g}, {pair[1]:g})")
    return pair


Text = Annotated[str, AfterValidator(_plain)]
ModelId = Annotated[str, AfterValidator(_identifier)]
Sha256 = Annotated[str, AfterValidator(_hash)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0)]
Pair = Annotated[tuple[float, float], BeforeValidator(_pair)]
Interval = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_ordered)]


def check_figures(tables: dict[str, Any]) -> dict[str, Any]:
    """Tables of measured figures: finite, intervals ordered around their value, rates in 0..1.

    Tables and figures are free in name; what a name promises is held: ``auroc`` and the like
    lie in 0..1 (in -1..1 in a table whose name begins with ``gain_``), ``mcc`` in -1..1,
    ``x_interval`` is [low, high] around ``x``.

    Raises
    ------
    ValueError
        With the name of the figure.
    """
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"{name} must be a table of figures")
        _check_table(table, name, gain=name.startswith(GAIN), depth=1)
    return tables


def check_finite(tables: dict[str, Any]) -> dict[str, Any]:
    """Nested tables of finite numbers or text, whatever their names."""
    _check_table(tables, "", gain=False, depth=0, rates=False)
    return tables


def _check_table(
    table: Mapping[str, Any], path: str, *, gain: bool, depth: int, rates: bool = True
) -> None:
    if depth > DEEPEST_TABLE:
        raise ValueError(f"{path} is nested too deeply")
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if rates and key.endswith("_interval") and not isinstance(value, list):
            raise ValueError(f"{name} must be [low, high], low before high")
        if isinstance(value, dict):
            _check_table(value, name, gain=gain or key.startswith(GAIN), depth=depth + 1,
                         rates=rates)  # fmt: skip
        elif isinstance(value, str):
            try:
                _plain(value)
            except ValueError as problem:
                raise ValueError(f"{name} {problem}") from None
        else:
            numbers = value if isinstance(value, list) else [value]
            _check_numbers(name, key, numbers, gain=gain, rates=rates)
            if rates and key.endswith("_interval"):
                _check_interval(name, numbers, table.get(key.removesuffix("_interval")))


def _check_numbers(name: str, key: str, numbers: list[Any], *, gain: bool, rates: bool) -> None:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{name} must be a number")
        if not math.isfinite(number):
            raise ValueError(f"{name} is not finite")
        low = -1.0 if gain or key.startswith("mcc") else 0.0
        bounded = key.startswith(RATES) or key.startswith("mcc")
        if rates and bounded and not low <= number <= 1.0:
            raise ValueError(f"{name} must lie in {low:g}..1 (found {number:g})")


def _check_interval(name: str, numbers: list[Any], value: Any) -> None:
    if len(numbers) != 2 or not numbers[0] <= numbers[1]:
        raise ValueError(f"{name} must be [low, high], low before high")
    if isinstance(value, int | float) and not numbers[0] <= value <= numbers[1]:
        raise ValueError(f"{name} does not hold its own value ({value:g})")
