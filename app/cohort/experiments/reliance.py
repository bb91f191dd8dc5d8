"""How far a fitted model leans on each of its inputs, in each data set.

The signed contribution of a branch to one person's log-odds is exact for fusions that are a sum,
and a Shapley value otherwise. Over the people of a data set two figures say how far the *ranking*
leans on a branch: the spread of its contributions, and its share of the variance of the log-odds
(covariance with the sum over the variance of the sum; shares add to 1 and may be negative). Sums of
absolute attributions are no shares and are not given.

Integrated gradients tell the same by another way, with the whole path from a baseline scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.attribution.explain import explain
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.person import Person
from app.core.arrays import Floats
from app.core.progress import PartOfStage, Progress
from app.models.fmm_tc_network import FmmTcNetwork

BIAS = "bias"


@dataclass(frozen=True, slots=True)
class BranchReliance:
    """One branch in one data set."""

    dataset: str
    branch: str
    people: int
    mean: float  # of the contribution, log-odds, against the mean training participant
    spread: float  # its standard deviation over people, log-odds
    variance_share: float  # of the log-odds' variance
    exact: bool  # False = Shapley values


@dataclass(frozen=True, slots=True)
class GradientReliance:
    """The same from integrated gradients of some people; completeness beside it."""

    dataset: str
    branch: str
    people: int
    mean: float  # summed attribution of the branch, log-odds, against the baseline scan
    spread: float
    converged: int  # people whose attribution sums to the difference of the outputs


def variance_shares(contributions: Floats) -> Floats:
    """(branch,) of (person, branch): covariance with the sum over the variance of the sum."""
    total = contributions.sum(axis=1)
    centred = contributions - contributions.mean(axis=0)
    spread = float(((total - total.mean()) ** 2).mean())
    if spread <= 0.0:
        return np.full(contributions.shape[1], np.nan)
    return np.asarray((centred * (total - total.mean())[:, None]).mean(axis=0) / spread)


def reliance_of(
    model: FmmTcNetwork, cohort: LabelledCohort, name: str, progress: Progress
) -> tuple[BranchReliance, ...]:
    """Of everybody in a data set.

    Parameters
    ----------
    model
        Fitted; with at least two branches there is something to compare.
    cohort
        Whom it is asked about; their labels are not looked at.
    name
        Of the data set.
    progress
        Told after each person.
    """
    rows: list[dict[str, float]] = []
    exact = True
    for number, person in enumerate(cohort.people):
        found = model.detail(*_own(person))
        rows.append({k: v for k, v in found.contributions.items() if k != BIAS})
        exact = exact and found.exact_contributions
        progress.step((number + 1) / len(cohort), f"inputs' shares, {name} {number + 1}")
    branches = list(rows[0])
    values = np.array([[row[branch] for branch in branches] for row in rows])
    shares = variance_shares(values)
    return tuple(
        BranchReliance(
            name, branch, len(values), *_mean_and_spread(values[:, place]),
            float(shares[place]), exact,
        )
        for place, branch in enumerate(branches)
    )  # fmt: skip


def gradient_reliance(
    model: FmmTcNetwork, cohort: LabelledCohort, name: str, count: int, progress: Progress
) -> tuple[GradientReliance, ...]:
    """Integrated gradients of the first `count` people, summed over each branch's inputs.

    Empty where the model scales each scan by itself and so has no baseline to start from.
    """
    people = cohort.people[:count]
    values: dict[str, list[float]] = {"series": [], "connectivity": []}
    converged = 0
    for number, person in enumerate(people):
        functions = model.scan_functions(*_own(person), person.scan.good_frames)
        if functions is None:
            return ()
        part = PartOfStage(progress, number / len(people), (number + 1) / len(people))
        found = explain(functions, progress=part).branches
        values["series"].append(float(found.per_parcel_series.sum()))
        values["connectivity"].append(float(found.per_connection.sum()) / 2.0)
        converged += int(found.converged)
    return tuple(
        GradientReliance(name, branch, len(people), *_mean_and_spread(found), converged)
        for branch, found in values.items()
        if found and branch in model.settings.branches
    )


def _own(person: Person) -> tuple[Floats, Floats]:
    """Copies: torch takes no read-only array."""
    return np.array(person.scan.cleaned), np.array(person.scan.connectivity)


def _mean_and_spread(values: Sequence[float] | Floats) -> tuple[float, float]:
    found = np.asarray(values, float)
    return float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else 0.0
