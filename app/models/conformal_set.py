"""The conformal set of one answer: which classes its probability leaves open, from the card.

Split conformal within classes (Mondrian; Vovk 2012): a class is in the set when its probability
reaches the value that all but ``1 - level`` of that class's calibration people reached. The card
holds two such values and how many people stand behind them: summary statistics, nobody's score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from app.core.results import ConformalSet
from app.models.card_text import Count, Interval, Part, Rate, Text

STEP = 0.01  # values of people are rounded outwards to this, so that none is one person's score


class ConformalFields(Part):
    """[conformal]; absent where a model has no calibration scores."""

    level: Annotated[float, Field(gt=0.5, lt=1.0)]
    responder_from: Rate  # a probability from here puts "responder" into the set
    non_responder_to: Rate  # one up to here puts "non-responder" into the set
    calibration_responders: Count
    calibration_non_responders: Count
    coverage_range: Interval  # 95 % range of the coverage that so few people allow
    source: Text  # whose scores these are

    @model_validator(mode="after")
    def _agrees(self) -> ConformalFields:
        low, high = self.coverage_range
        if not (low >= 0.0 and high <= 1.0):
            raise ValueError("coverage_range must lie in 0..1")
        return self

    @property
    def whole_steps(self) -> bool:
        """Whether both values are rounded to `STEP`."""
        values = (self.responder_from / STEP, self.non_responder_to / STEP)
        return all(math.isclose(value, round(value), abs_tol=1e-6) for value in values)


def conformal_set(fields: ConformalFields | None, probability: float) -> ConformalSet | None:
    """What the probability leaves open; None where the card has no such table."""
    if fields is None:
        return None
    return ConformalSet(
        responder=probability >= fields.responder_from,
        non_responder=probability <= fields.non_responder_to,
        level=fields.level,
        coverage_range=fields.coverage_range,
        calibration_people=min(fields.calibration_responders, fields.calibration_non_responders),
    )


def thresholds_of_histogram(
    edges: Sequence[float], responder: Sequence[float], non_responder: Sequence[float], level: float
) -> tuple[float, float]:
    """``responder_from`` and ``non_responder_to`` from counted probabilities, rounded outwards.

    Parameters
    ----------
    edges
        (bin + 1,) of probabilities.
    responder, non_responder
        (bin,) calibration people of either class.
    level
        Nominal coverage.

    Returns
    -------
    The lower edge of the bin that holds the ``floor((1 - level) (n + 1))``-th smallest probability
    of a responder, and the upper edge of the bin that holds as manieth largest of the others; 0
    and 1 where so few people leave every class open.
    """

    def edge(counts: Sequence[float], ends: Sequence[float], otherwise: float) -> float:
        rank = math.floor((1.0 - level) * (sum(counts) + 1) + 1e-9)
        seen = 0.0
        for count, end in zip(counts, ends, strict=True):
            seen += count
            if rank >= 1 and seen >= rank:
                return float(end)
        return otherwise

    return (
        edge(responder, edges[:-1], 0.0),
        edge(list(reversed(non_responder)), list(reversed(edges[1:])), 1.0),
    )
