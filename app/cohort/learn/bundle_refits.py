"""The refits of a bundle: how many, of which kind, and how an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.cohort.learn.contender import AnyModel, Contender, Inputs
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.heads import heads_of
from app.cohort.learn.refit import (
    Arrays,
    Keep,
    keep_nothing,
    refit_heads,
    spread_of_refits,
    whole_refits,
)
from app.cohort.learn.result_folder import ResultFolder
from app.core.progress import Progress
from app.core.provenance import record_sha256
from app.models.refits import BIAS, CALIBRATION, VALUES, WEIGHTS, WholeRefits

REFITS_VERSION = 1  # raise when a refit is defined anew: finished ones are then made again
SLOW_REFITS = 50  # at most, where each takes seconds: FMM_TC
WHOLE_REFITS = 20  # of models that have no head and are small enough to be stored whole
LARGEST_BYTES = 64 << 20  # of all whole refits of a bundle
SPREAD_REFITS = 8  # of larger models


@dataclass(frozen=True, slots=True)
class BundleRefits:
    """What a bundle holds of them."""

    sizes: Mapping[str, int]
    statistics: Mapping[str, Any]
    log_odds_sd: float | None = None  # the same for everybody, where nothing else is stored
    whole_models: int = 0  # behind that spread


def bundle_refits(
    contender: Contender, model: Any, inputs: Inputs, evaluation: Evaluation, progress: Progress
) -> BundleRefits:
    """Heads refitted on resampled people; whole small models; of large ones the spread.

    Each refit that takes seconds is a finished file in the evaluation's private folder.
    """
    plan = evaluation.cohort.plan
    identifiers, seed = evaluation.cohort.identifiers, plan.protocol.seed
    heads = heads_of(model, inputs.people, inputs.labels, identifiers, progress)
    if heads is not None:
        most = SLOW_REFITS if heads.slow else plan.protocol.refits
        found = refit_heads(
            heads, inputs.labels, identifiers, repeats=min(most, plan.protocol.refits), seed=seed,
            progress=progress,
            keep=_kept(evaluation, contender, "head") if heads.slow else keep_nothing,
            calibration=plan.protocol.calibration,
        )  # fmt: skip
        return BundleRefits(
            {"refits": len(found.bias), "refit_features": found.weights.shape[1]},
            {WEIGHTS: found.weights, BIAS: found.bias, CALIBRATION: found.calibration},
        )
    assert isinstance(contender, AnyModel)
    if isinstance(model, WholeRefits) and _fits(model):
        whole = whole_refits(
            contender, inputs, identifiers, repeats=min(WHOLE_REFITS, plan.protocol.refits),
            seed=seed, progress=progress, keep=_kept(evaluation, contender, "whole"),
            calibration=plan.protocol.calibration,
        )  # fmt: skip
        return BundleRefits(
            {"refits": len(whole.values), "refit_values": whole.values.shape[1]},
            {VALUES: whole.values, CALIBRATION: whole.calibration},
        )
    repeats = min(SPREAD_REFITS, plan.protocol.refits)
    spread = spread_of_refits(
        contender, inputs, identifiers, repeats=repeats, seed=seed, progress=progress,
        keep=_kept(evaluation, contender, "spread"),
    )  # fmt: skip
    return BundleRefits({}, {}, spread, repeats)


def _fits(model: WholeRefits) -> bool:
    return model.trained_values().nbytes * WHOLE_REFITS <= LARGEST_BYTES


def _kept(evaluation: Evaluation, contender: Contender, kind: str) -> Keep:
    result, protocol = ResultFolder(evaluation.folder), evaluation.cohort.plan.protocol
    key = [
        REFITS_VERSION, kind, protocol.calibration, evaluation.cohort.sha256(),
        contender.identity, protocol.seed,
    ]  # fmt: skip
    folder = result.private / "refits" / f"{contender.id}-{record_sha256(key)[:16]}"

    def keep(number: int, compute: Callable[[], Arrays]) -> Arrays:
        path = folder / f"{number:04d}.npz"
        known = result.read_arrays(path)
        if known is not None:
            return known
        found = compute()
        result.write_arrays(path, found)
        return found

    return keep
