"""ComBat harmonisation of connectivity features across sites, fitted on training people alone.

Location and scale of each site's features are shrunk over features towards common values
(Johnson, Li and Rabinovic 2007, Biostatistics 8; Fortin et al. 2018, NeuroImage 167). No label and
no covariate is preserved: labels of test people would leak through, and a covariate that goes with
the label would be handed to the model. It needs every site in training: a scanner that was not
there cannot be harmonised, so a model trained with it serves nobody from a new scanner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.core.errors import AppError

FEWEST_AT_A_SITE = 10
ADVISED_AT_A_SITE = 20
ITERATIONS, TOLERANCE = 200, 1e-6
WARNING = (
    "ComBat was fitted on these sites: the model cannot serve one participant from a new scanner, "
    "and needs 20 to 30 people of every site"
)


@dataclass(frozen=True, slots=True)
class Combat:
    """Fitted values; `apply` gives features of people from the same sites."""

    sites: tuple[str, ...]
    mean: Floats  # (feature,) grand mean
    spread: Floats  # (feature,) pooled standard deviation
    shift: Floats  # (site, feature), in spreads
    scale: Floats  # (site, feature)

    @classmethod
    def fit(cls, rows: Floats, sites: Sequence[str]) -> Combat:
        """Fit on training people.

        Parameters
        ----------
        rows
            (person, feature), finite.
        sites
            (person,).

        Raises
        ------
        AppError
            ``cohort.harmonise`` with fewer than ten people of a site, or one site only.
        """
        names, place = tuple(sorted(set(sites))), np.asarray(sites)
        counts = {name: int((place == name).sum()) for name in names}
        small = min(names, key=lambda name: counts[name])
        if len(names) < 2:
            raise _refused("There is one site only; nothing is to be harmonised.")
        if counts[small] < FEWEST_AT_A_SITE:
            raise _refused(f"Site '{small[:40]}' has {counts[small]} training people.")
        inside = [place == name for name in names]
        means = np.stack([rows[own].mean(axis=0) for own in inside])
        weight = np.array([own.mean() for own in inside])
        mean = weight @ means
        left = rows - sum(np.outer(own, one) for own, one in zip(inside, means, strict=True))
        spread = np.sqrt((left**2).mean(axis=0))
        spread = np.where(spread > 1e-12, spread, 1.0)
        unit = (rows - mean) / spread
        fitted = [_shrunk(unit[own]) for own in inside]
        return cls(
            names,
            mean,
            spread,
            np.stack([shift for shift, _ in fitted]),
            np.stack([scale for _, scale in fitted]),
        )

    def apply(self, rows: Floats, sites: Sequence[str]) -> Floats:
        """(person, feature) without their site's location and scale.

        Raises
        ------
        AppError
            ``cohort.harmonise`` for a site that was not in training.
        """
        strangers = sorted(set(sites) - set(self.sites))
        if strangers:
            raise AppError(
                f"Site '{strangers[0][:40]}' was not among those that were harmonised.",
                "A harmonised model cannot serve a new scanner; plan harmonise = 'none'.",
                code="cohort.harmonise",
            )
        index = np.array([self.sites.index(one) for one in sites])
        unit = (rows - self.mean) / self.spread
        return np.asarray((unit - self.shift[index]) / self.scale[index] * self.spread + self.mean)


def _shrunk(unit: Floats) -> tuple[Floats, Floats]:
    """Empirical Bayes location and scale of one site, (feature,) each (parametric priors)."""
    count = len(unit)
    located, varied = unit.mean(axis=0), unit.var(axis=0, ddof=1)
    prior_mean, prior_variance = float(located.mean()), float(located.var(ddof=1))
    middle, width = float(varied.mean()), float(varied.var(ddof=1))
    if prior_variance <= 0.0 or width <= 0.0:
        return located, np.sqrt(np.maximum(varied, 1e-12))
    shape = (2.0 * width + middle**2) / width
    rate = (middle * width + middle**3) / width
    shift, variance = located, varied
    for _ in range(ITERATIONS):
        moved = (count * prior_variance * located + variance * prior_mean) / (
            count * prior_variance + variance
        )
        squares = ((unit - moved) ** 2).sum(axis=0)
        updated = (0.5 * squares + rate) / (0.5 * count + shape - 1.0)
        change = max(
            float(np.abs(moved - shift).max() / max(float(np.abs(shift).max()), 1e-12)),
            float(np.abs(updated - variance).max() / max(float(variance.max()), 1e-12)),
        )
        shift, variance = moved, updated
        if change < TOLERANCE:
            break
    return shift, np.sqrt(variance)


def _refused(message: str) -> AppError:
    return AppError(
        message,
        f"ComBat needs at least {FEWEST_AT_A_SITE} people of every site in each training fold "
        f"({ADVISED_AT_A_SITE} or more are advised); plan harmonise = 'none'.",
        code="cohort.harmonise",
    )
