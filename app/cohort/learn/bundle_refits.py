"""The refits of a bundle: how many, of which kind, and how an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.cohort.learn.contender import AnyModel, Contender, Inputs
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.heads import heads_of
from app.cohort.learn.refit import (
    Arrays,
    Keep,
    Refits,
    keep_nothing,
    refit_heads,
    spread_of_refits,
)
from app.cohort.learn.result_folder import ResultFolder
from app.core.progress import Progress
from app.core.provenance import record_sha256

REFITS_VERSION = 1  # raise when a refit is defined anew: finished ones are then made again
SLOW_REFITS = 50  # at most, where each takes seconds: FMM_TC
WHOLE_REFITS = 8  # of models that cannot be refitted by their head


def bundle_refits(
    contender: Contender, model: Any, inputs: Inputs, evaluation: Evaluation, progress: Progress
) -> tuple[Refits | None, tuple[float, int] | None]:
    """Heads refitted on resampled people; or, for models without a head, spread and how many.

    Each refit that takes seconds is a finished file in the evaluation's private folder.
    """
    plan = evaluation.cohort.plan
    identifiers, seed = evaluation.cohort.identifiers, plan.protocol.seed
    heads = heads_of(model, inputs.people, inputs.labels, identifiers, progress)
    if heads is None:
        assert isinstance(contender, AnyModel)
        repeats = min(WHOLE_REFITS, plan.protocol.refits)
        return None, (spread_of_refits(
            contender, inputs, identifiers, repeats=repeats, seed=seed, progress=progress,
            keep=_kept(evaluation, contender, "whole"),
        ), repeats)  # fmt: skip
    most = SLOW_REFITS if heads.slow else plan.protocol.refits
    return refit_heads(
        heads, inputs.labels, identifiers, repeats=min(most, plan.protocol.refits), seed=seed,
        progress=progress,
        keep=_kept(evaluation, contender, "head") if heads.slow else keep_nothing,
    ), None  # fmt: skip


def _kept(evaluation: Evaluation, contender: Contender, kind: str) -> Keep:
    result, seed = ResultFolder(evaluation.folder), evaluation.cohort.plan.protocol.seed
    key = [REFITS_VERSION, kind, evaluation.cohort.sha256(), contender.identity, seed]
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
