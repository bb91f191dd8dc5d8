"""Judge models side by side: the same splits, everything fitted inside, resumable.

`evaluate` asks every contender for every outer fold, calibrates by the inner folds, and gives an
`Evaluation`. Finished folds stay in the result folder, so a run that was killed goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.calibration import FITS, Method, calibrated
from app.cohort.learn.contender import AnyModel, Contender, FoldAnswer, Inputs
from app.cohort.learn.continuous import ContinuousAnswer, mapped_continuous
from app.cohort.learn.figures import Scores
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.result_folder import OUT_OF_FOLD, ResultFolder
from app.cohort.learn.splits import Fold, Splits, site_splits, splits_of
from app.core.arrays import Floats, Ints, frozen
from app.core.errors import AppError, CancelledError
from app.core.progress import PartOfStage, Progress
from app.models.card import Calibration

PROTOCOL_VERSION = 1  # raise when an answer is defined anew: finished folds are then made again


@dataclass(frozen=True, slots=True)
class ModelScores:
    """One model's out-of-fold answers."""

    id: str
    label: str
    inputs: str
    scores: Scores
    calibrations: tuple[Calibration, ...]  # one an outer fold, in the order of the splits
    inner: tuple[Floats, ...]  # (training row,) inner log-odds of each outer fold
    predicted: Floats | None  # (repeat, row) adjusted improvement; None = the column tells none
    target: Floats | None  # (repeat, row) what it was to predict
    told: dict[str, float]  # mean over folds of what the fits told
    seconds: float  # of what was computed now; folds read back take none
    deep: bool
    regression: bool = False  # trained on the improvement itself; otherwise its log-odds are mapped


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All models of one cohort, judged on the same splits. Scores of people are private."""

    cohort: LabelledCohort
    splits: Splits
    models: dict[str, ModelScores]  # the headline first
    by_site: dict[str, ModelScores]  # left-one-site-out; empty where there is one site
    site_splits: Splits | None
    deviations: tuple[Deviation, ...]
    folder: Path
    figures: dict[str, Any] = field(default_factory=dict)  # what may be shown; `judged` fills it

    @property
    def headline(self) -> ModelScores:
        """The model that the plan names first."""
        return next(iter(self.models.values()))

    @property
    def fold_of(self) -> Ints:
        """(repeat, row) outer fold in which a row was tested."""
        found = np.empty((self.splits.repeats, len(self.cohort)), int)
        for fold in self.splits:
            found[fold.repeat, fold.test] = fold.number
        return found


def evaluate(
    cohort: LabelledCohort,
    contenders: Sequence[Contender],
    folder: Path,
    progress: Progress | None = None,
    *,
    splits: Splits | None = None,
) -> Evaluation:
    """Out-of-fold answers of every contender.

    Parameters
    ----------
    cohort
        With labels, hence under a locked plan.
    contenders
        The headline first. One that cannot be fitted on some fold ends up among the deviations,
        the others go on; the headline must work.
    folder
        Result folder; ``private/`` keeps folds and scores.
    progress
        One stage a contender, named by its id.
    splits
        Others than the plan's, for a comparison across cohorts.

    Raises
    ------
    AppError
        ``cohort.too_few`` and the like; whatever the headline's fit ends with.
    CancelledError
        Finished folds stay, and finished fits of a network's fold.
    """
    progress = progress or Progress()
    result = ResultFolder(folder)
    protocol = cohort.plan.protocol
    splits = splits or splits_of(cohort)
    inputs = Inputs.of(cohort)
    sites = (
        site_splits(
            cohort.identifiers,
            cohort.labels,
            cohort.sites,
            inner_folds=protocol.inner_folds,
            seed=protocol.seed,
        )
        if protocol.leave_one_site_out and cohort.plan.recipe.harmonise == "none"
        else None  # a site that is left out cannot be harmonised
    )
    key = [PROTOCOL_VERSION, cohort.sha256(), protocol.seed]
    models: dict[str, ModelScores] = {}
    by_site: dict[str, ModelScores] = {}
    deviations = list(cohort.deviations)
    for number, contender in enumerate(contenders):
        with progress.stage(contender.id):
            try:
                share = len(splits) / (len(splits) + (len(sites) if sites else 0))
                part = PartOfStage(progress, 0.0, share)
                models[contender.id] = run_splits(
                    contender, inputs, splits, result, key, part, protocol.calibration
                )
                if sites is not None:
                    rest = PartOfStage(progress, share, 1.0)
                    by_site[contender.id] = run_splits(
                        contender, inputs, sites, result, key, rest, protocol.calibration
                    )
            except CancelledError:
                raise
            except AppError as error:
                if number == 0 or error.code.startswith("study."):
                    raise
                models.pop(contender.id, None)
                deviations.append(
                    Deviation("models", contender.id, "left out", error.message)
                )  # fmt: skip
    found = Evaluation(
        cohort, splits, models, by_site, sites, tuple(deviations), folder
    )  # fmt: skip
    _keep(found, result)
    return found


def run_splits(
    contender: Contender,
    inputs: Inputs,
    splits: Splits,
    result: ResultFolder,
    key: Sequence[Any],
    progress: Progress,
    calibrate: Method = "platt",
) -> ModelScores:
    """One contender through all folds; folds that are on disk are read back."""
    rows, repeats = len(inputs.labels), splits.repeats
    log_odds, probability = np.full((repeats, rows), np.nan), np.full((repeats, rows), np.nan)
    predicted, target = np.full((repeats, rows), np.nan), np.full((repeats, rows), np.nan)
    tested = np.full((repeats, rows), -1)
    calibrations, inner, told, seconds = [], [], list[dict[str, float]](), 0.0
    regression = False
    for number, fold in enumerate(splits):
        part = PartOfStage(progress, number / len(splits), (number + 1) / len(splits))
        began = time.monotonic()
        answer, fresh = answer_of(contender, inputs, splits, fold, result, key, part)
        seconds += time.monotonic() - began if fresh else 0.0
        calibration = FITS[calibrate](answer.inner, inputs.labels[fold.training])
        tested[fold.repeat, fold.test] = fold.number
        log_odds[fold.repeat, fold.test] = answer.test
        probability[fold.repeat, fold.test] = calibrated(calibration, answer.test)
        regression = answer.continuous is not None
        continuous = answer.continuous or _mapped(answer, inputs, fold)
        if continuous is not None:
            predicted[fold.repeat, fold.test] = continuous.predicted
            target[fold.repeat, fold.test] = continuous.target
        calibrations.append(calibration)
        inner.append(frozen(answer.inner))
        told.append(answer.told)
        progress.step((number + 1) / len(splits), f"{contender.label}, {fold.name}")
    known = bool(np.isfinite(predicted).any())
    return ModelScores(
        contender.id,
        contender.label,
        contender.inputs,
        Scores(frozen(log_odds), frozen(probability), frozen(tested)),
        tuple(calibrations),
        tuple(inner),
        frozen(predicted) if known else None,
        frozen(target) if known else None,
        _mean_told(told),
        seconds,
        contender.deep,
        regression,
    )


def _mapped(answer: FoldAnswer, inputs: Inputs, fold: Fold) -> ContinuousAnswer | None:
    """The continuous answer of a model that gives log-odds alone."""
    if inputs.improvement is None:
        return None
    return mapped_continuous(answer.inner, answer.test, *inputs.change(fold))


def answer_of(
    contender: Contender,
    inputs: Inputs,
    splits: Splits,
    fold: Fold,
    result: ResultFolder,
    key: Sequence[Any],
    progress: Progress,
) -> tuple[FoldAnswer, bool]:
    """A fold from disk, or computed and kept; and whether it was computed."""
    kept = result.fold_path([*key, splits.sha256, contender.identity], contender.id, fold.name)
    known = result.read_fold(kept)
    if known is not None and len(known.test) == len(fold.test):
        return known, False
    seed = fold_seed(int(key[-1]), fold)
    fits = result.fits_of(kept)
    if contender.deep and isinstance(contender, AnyModel):
        answer = contender.answer(inputs, fold, seed, progress, fits)
    else:
        answer = contender.answer(inputs, fold, seed, progress)
    if not (np.isfinite(answer.test).all() and np.isfinite(answer.inner).all()):
        raise AppError(
            f"The model '{contender.id}' gave an answer that is no number.",
            "Leave it out of the plan; tell which cohort it was.",
            code="cohort.model",
        )
    result.write_fold(kept, answer)
    fits.clear()
    return answer, True


def fold_seed(seed: int, fold: Fold) -> int:
    """Seed of one outer fold's fits."""
    return int(np.random.SeedSequence([seed, fold.repeat, fold.number]).generate_state(1)[0] >> 1)


def _mean_told(told: Sequence[dict[str, float]]) -> dict[str, float]:
    names = sorted({name for one in told for name in one})
    return {
        name: float(np.mean([one[name] for one in told if name in one])) for name in names
    }  # fmt: skip


def _keep(evaluation: Evaluation, result: ResultFolder) -> None:
    cohort = evaluation.cohort
    arrays: dict[str, Any] = {
        "participants": np.array([one.unit for one in cohort.people]),
        "labels": cohort.labels,
        "fold": evaluation.fold_of,
        "models": np.array(list(evaluation.models)),
    }
    for name, one in evaluation.models.items():
        arrays[f"log_odds.{name}"] = one.scores.log_odds
        arrays[f"probability.{name}"] = one.scores.probability
        if one.predicted is not None:
            arrays[f"predicted.{name}"] = one.predicted
    result.write_arrays(result.private / OUT_OF_FOLD, arrays)
