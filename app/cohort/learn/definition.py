"""Who counts as a responder: read from words, computed from a pain column, compared.

A definition is one short text such as ``VAS fall >= 30 %``, ``NRS fall >= 2 points`` or
``VAS < 4``: scale, what must happen to it, and the threshold (IMMPACT: Dworkin et al. 2008,
J Pain 9). An improvement is always positive, whichever way the scale runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.errors import AppError

Kind = Literal["label", "post", "percent_improvement", "points_improvement"]
Direction = Literal["decrease", "increase", "below", "above"]
KINDS: tuple[Kind, ...] = ("label", "post", "percent_improvement", "points_improvement")
ROUNDING = 1e-9  # 100 * (6.1 - 4.27) / 6.1 is 30 but for the last bit

_FALLS = {"fall", "falls", "decrease", "reduction", "drop", "lower"}
_RISES = {"rise", "rises", "increase", "gain", "higher"}
_FILLER = {"post", "after", "of", "by", "in", "score", "rating"}
_PATTERN = re.compile(
    r"\s*(?P<words>[^<>=\u2264\u2265]*?)\s*(?P<sign><=|>=|\u2264|\u2265|<|>)\s*"
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|percent|points?)?\s*"
)
EXAMPLES = "'VAS fall >= 30 %', 'NRS fall >= 2 points' or 'VAS < 4'"


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition, in parts that can be compared."""

    text: str
    scale: str
    direction: Direction
    threshold: float
    unit: Literal["percent", "absolute"]

    @property
    def needs_baseline(self) -> bool:
        """Whether a score after treatment alone cannot tell."""
        return self.direction in ("decrease", "increase")


def parse_definition(text: str) -> Definition:
    """Read a definition.

    Raises
    ------
    AppError
        ``cohort.definition``: what cannot be understood, with examples.
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise _refused(f"The responder definition '{text[:80]}' cannot be read.")
    sign = {"\u2264": "<=", "\u2265": ">="}.get(found["sign"], found["sign"])
    words = found["words"].split()
    lowered = [word.lower() for word in words]
    falls, rises = bool(_FALLS & set(lowered)), bool(_RISES & set(lowered))
    scale = " ".join(
        word
        for word, low in zip(words, lowered, strict=True)
        if low not in _FALLS | _RISES | _FILLER
    )
    if not scale:
        raise _refused(f"The responder definition '{text[:80]}' names no scale.")
    if falls and rises:
        raise _refused(f"The responder definition '{text[:80]}' says both fall and rise.")
    percent = found["unit"] in ("%", "percent")
    threshold = float(found["number"])
    if falls or rises:
        if sign != ">=":
            raise _refused(f"'{text[:80]}': a change is stated with '>='.")
        if percent and not 0.0 < threshold <= 100.0:
            raise _refused(f"'{text[:80]}': a percentage lies in 0 to 100.")
        if not threshold > 0.0:
            raise _refused(f"'{text[:80]}': a change of 0 is none.")
        direction: Direction = "decrease" if falls else "increase"
        return Definition(text, scale, direction, threshold, "percent" if percent else "absolute")
    if percent:
        raise _refused(f"'{text[:80]}' does not say whether the scale must fall or rise.")
    if sign not in ("<", ">"):
        raise _refused(f"'{text[:80]}': a state after treatment is stated with '<' or '>'.")
    return Definition(text, scale, "below" if sign == "<" else "above", threshold, "absolute")


def refuse_contradictions(definitions: Sequence[Definition]) -> None:
    """All definitions of one analysis look at one scale, and the same way.

    Raises
    ------
    AppError
        ``cohort.definition``.
    """
    scales = sorted({one.scale.casefold() for one in definitions})
    if len(scales) > 1:
        raise _refused(f"The definitions mix the scales '{scales[0][:40]}' and '{scales[1][:40]}'.")
    better = {one.direction in ("decrease", "below") for one in definitions}
    if len(better) > 1:
        raise _refused("The definitions contradict: one asks for a fall, another for a rise.")
    parts = [(one.direction, one.threshold, one.unit) for one in definitions]
    if len(set(parts)) < len(parts):
        raise _refused("One definition is stated twice.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured: one value a person, NaN where unknown."""

    kind: Kind
    values: Floats  # (person,), as the column holds them; a label is 0 or 1
    baseline: Floats | None  # (person,), the same scale before treatment
    lower_is_better: bool

    def improvement(self) -> Floats | None:
        """(person,) in points of the scale, positive = better; None where it cannot be known."""
        if self.kind == "points_improvement":
            return self.values
        if self.kind == "post" and self.baseline is not None:
            change = self.baseline - self.values
            return change if self.lower_is_better else -change
        return None

    def percent_improvement(self) -> Floats | None:
        """(person,) percent of the baseline, positive = better; NaN where the baseline is 0."""
        if self.kind == "percent_improvement":
            return self.values
        points = self.improvement()
        if points is None or self.baseline is None:
            return None
        base = np.where(np.abs(self.baseline) > 0.0, self.baseline, np.nan)
        return np.asarray(100.0 * points / base)

    def continuous(self) -> tuple[str, Floats] | None:
        """Name and values of the primary outcome, None where the column holds labels."""
        points = self.improvement()
        if points is not None:
            return "improvement, points", points
        percent = self.percent_improvement()
        return None if percent is None else ("improvement, percent", percent)

    def responders(self, definition: Definition) -> Floats:
        """(person,) 1 for responders, 0 for others, NaN where unknown.

        Raises
        ------
        AppError
            ``cohort.definition`` when the column cannot tell.
        """
        if self.kind == "label":
            return self.values
        if (definition.direction in ("decrease", "below")) is not self.lower_is_better:
            raise _refused(
                f"'{definition.text[:80]}' asks for the opposite of what the outcome calls better."
            )
        if not definition.needs_baseline:
            if self.kind != "post":
                raise _cannot(definition, "a column of scores after treatment")
            below = self.values < definition.threshold - ROUNDING
            above = self.values > definition.threshold + ROUNDING
            return _known(below if definition.direction == "below" else above, self.values)
        percent = definition.unit == "percent"
        change = self.percent_improvement() if percent else self.improvement()
        if change is None:
            raise _cannot(
                definition,
                "the score before treatment (outcome.baseline_column) beside the one after",
            )
        return _known(change >= definition.threshold - ROUNDING, change)


def _known(found: np.ndarray, values: Floats) -> Floats:
    return frozen(np.where(np.isfinite(values), found.astype(float), np.nan))


def _cannot(definition: Definition, needed: str) -> AppError:
    return AppError(
        f"'{definition.text[:80]}' cannot be computed from this column.",
        f"It needs {needed}.",
        code="cohort.definition",
    )


def _refused(message: str) -> AppError:
    return AppError(message, f"Write it as {EXAMPLES}.", code="cohort.definition")
