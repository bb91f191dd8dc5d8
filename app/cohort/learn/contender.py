"""What is compared: any `ResponseModel`, and linear rivals by a way that is many times faster.

A contender answers one outer fold: log-odds of the test rows by a model fitted on the training
rows, and log-odds of the training rows by models of the inner folds, which calibrate the former.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from app.cohort.learn.combat import Combat
from app.cohort.learn.continuous import ContinuousAnswer, answer_continuous
from app.cohort.learn.fast_logistic import fit_fast
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.reduced import Reduced, reduced
from app.cohort.learn.splits import Fold
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import PartOfStage, Progress
from app.models.baselines.linear import fit_linear, fit_scaling
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People, people_of
from app.models.interface import ResponseModel


@dataclass(frozen=True, slots=True)
class FoldAnswer:
    """One outer fold's answers, uncalibrated."""

    test: Floats  # (test row,)
    inner: Floats  # (training row,), each by a model of an inner fold that did not see the person
    continuous: ContinuousAnswer | None = None
    told: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inputs:
    """A cohort's arrays, made once for all contenders and folds."""

    people: People
    labels: Bools
    improvement: Floats | None  # (row,) continuous outcome, NaN where unknown
    baseline: Floats | None  # (row,)
    sites: tuple[str, ...] = ()  # (row,)

    @classmethod
    def of(cls, cohort: LabelledCohort) -> Inputs:
        """From people with labels."""
        continuous = cohort.change
        return cls(
            people_of(cohort.series, cohort.connectivity, cohort.covariates, None),
            cohort.labels,
            None if continuous is None else continuous[1],
            cohort.outcome.baseline,
            cohort.sites,
        )

    def relabelled(self, labels: Bools) -> Inputs:
        """The same people with other labels (permutation); no continuous outcome."""
        return Inputs(self.people, labels, None, None, self.sites)

    def change(self, fold: Fold) -> tuple[Floats, Floats, Floats | None, Floats | None]:
        """Improvement, then baseline (None = not known), of a fold's training and test rows."""
        assert self.improvement is not None
        known = self.baseline
        return (
            self.improvement[fold.training],
            self.improvement[fold.test],
            None if known is None else known[fold.training],
            None if known is None else known[fold.test],
        )


class Contender(Protocol):
    """One entry of a comparison."""

    @property
    def id(self) -> str:
        """As in the plan."""

    @property
    def label(self) -> str:
        """For people."""

    @property
    def inputs(self) -> str:
        """What it looks at: "none", "covariates", "connectivity", "series", "both"."""

    @property
    def deep(self) -> bool:
        """Takes minutes a fold: timed and permuted apart."""

    @property
    def identity(self) -> Any:
        """JSON-able; whatever changes an answer changes it."""

    def answer(self, inputs: Inputs, fold: Fold, seed: int, progress: Progress) -> FoldAnswer:
        """One outer fold."""

    def fresh(self) -> ResponseModel:
        """An unfitted model, for a bundle."""


class KeptFits(Protocol):
    """Where finished fits of one outer fold lie: a fold of networks takes hours."""

    def read(self, name: str, asked: int) -> FoldAnswer | None:
        """A finished fit that was asked for so many rows; None: not there, or damaged."""

    def write(self, name: str, answer: FoldAnswer) -> None:
        """Keep one: its answers in `test`, none in `inner`."""


@dataclass(frozen=True, slots=True)
class AnyModel:
    """Fits the model itself for the outer fold and for each inner one."""

    id: str
    label: str
    inputs: str
    make: Callable[[], ResponseModel]
    identity: Any
    deep: bool = True

    def fresh(self) -> ResponseModel:
        """An unfitted model."""
        return self.make()

    def answer(
        self,
        inputs: Inputs,
        fold: Fold,
        seed: int,
        progress: Progress,
        kept: KeptFits | None = None,
    ) -> FoldAnswer:
        """One outer fold: one fit for the test rows, one for each inner fold.

        With `kept` each finished fit is kept at once, and one that is there is not made again.
        """
        parts = len(fold.inner) + 1
        place = {int(row): number for number, row in enumerate(fold.training)}
        inner = np.empty(len(fold.training))
        for number, (inside, validation) in enumerate(fold.inner):
            part = PartOfStage(progress, number / parts, (number + 1) / parts)
            found = self._kept(f"inner-{number}", inputs, inside, validation, seed, part, kept)
            inner[[place[int(row)] for row in validation]] = found.test
        part = PartOfStage(progress, (parts - 1) / parts, 1.0)
        last = self._kept("outer", inputs, fold.training, fold.test, seed, part, kept)
        return FoldAnswer(last.test, inner, None, last.told)

    def _kept(
        self,
        name: str,
        inputs: Inputs,
        inside: Ints,
        outside: Ints,
        seed: int,
        progress: Progress,
        kept: KeptFits | None,
    ) -> FoldAnswer:
        known = None if kept is None else kept.read(name, len(outside))
        if known is not None:
            progress.step(1.0, f"{name}, read back")
            return known
        test, told = self._asked(inputs, inside, outside, seed, progress)
        found = FoldAnswer(test, np.empty(0), None, told)
        # what is no number ends the fold with a message; it is not kept
        if kept is not None and np.isfinite(test).all():
            kept.write(name, found)
        return found

    def _asked(
        self, inputs: Inputs, inside: Ints, outside: Ints, seed: int, progress: Progress
    ) -> tuple[Floats, dict[str, float]]:
        people, asked = inputs.people.rows(inside), inputs.people.rows(outside)
        model = self.make().fit(
            people.series,
            people.connectivity,
            people.covariates,
            inputs.labels[inside],
            seed=seed,
            progress=progress,
        )
        found = model.predict_log_odds(asked.series, asked.connectivity, asked.covariates)
        return np.asarray(found, float), dict(getattr(model, "told", {}))


@dataclass(frozen=True, slots=True)
class LinearContender:
    """A `LinearRival`: features once an outer fold, all fits in reduced coordinates.

    Label-free statistics of the features (tangent reference, imputation) come from the outer
    training rows and are shared by the inner folds; the strength of the penalty is chosen again
    inside each.
    """

    id: str
    label: str
    inputs: str
    make: Callable[[], LinearRival]
    identity: Any
    deep: bool = False
    harmonise: bool = False  # ComBat over sites, fitted on the training rows

    def fresh(self) -> ResponseModel:
        """An unfitted model."""
        return self.make()

    def answer(self, inputs: Inputs, fold: Fold, seed: int, progress: Progress) -> FoldAnswer:
        """One outer fold."""
        rows = self.prepared(inputs, fold, progress)
        labels = inputs.labels[fold.training]
        places, inner = fold.inner_places(), np.empty(len(labels))
        for a, b in places:
            inner[b], _ = self.fitted(rows, rows.training[a], labels[a], rows.training[b], seed)
        test, strength = self.fitted(rows, rows.training, labels, rows.test, seed)
        return FoldAnswer(
            test, inner, self.regressed(rows, inputs, fold, places),
            {"strength": strength, "columns": float(rows.training.shape[1])},
        )  # fmt: skip

    def prepared(self, inputs: Inputs, fold: Fold, progress: Progress) -> Reduced:
        """Features of one fold, which no label has a part in."""
        model, people = self.make(), inputs.people
        training = model.learn_features(people.rows(fold.training), progress)
        asked = model.features_of(people.rows(fold.test))
        if self.harmonise:
            mean = fit_scaling(training, standardise=False).mean
            training, asked = (np.where(np.isfinite(a), a, mean) for a in (training, asked))
            own, other = (
                [inputs.sites[int(i)] for i in rows] for rows in (fold.training, fold.test)
            )
            combat = Combat.fit(training, own)
            training, asked = combat.apply(training, own), combat.apply(asked, other)
        return reduced(training, asked, standardise=model.standardise)

    def fitted(
        self, rows: Reduced, training: Floats, labels: Bools, asked: Floats, seed: int
    ) -> tuple[Floats, float]:
        """Log-odds of `asked` by a fit on `training`, and the strength that was chosen."""
        kind = self.make().classifier
        if kind.name in ("logistic", "plain"):
            fast = fit_fast(training, labels, kind, standardise=rows.standardise, seed=seed)
            return fast.log_odds(asked), fast.strength
        fit = fit_linear(
            training,
            labels,
            kind,
            standardise=rows.standardise,
            seed=seed,
            progress=Progress(),
        )
        return np.array([fit.log_odds(row) for row in asked]), fit.strength

    def regressed(
        self, rows: Reduced, inputs: Inputs, fold: Fold, inner: Sequence[tuple[Ints, Ints]]
    ) -> ContinuousAnswer | None:
        """The continuous outcome of the test rows; None where no change is known."""
        if inputs.improvement is None:
            return None
        return answer_continuous(
            rows.training, rows.test, *inputs.change(fold), inner, standardise=rows.standardise
        )
