"""Every model beside its competitors, on people who took no part in anything before.

One `Contender` is one row of the card: its blocks of features. Penalties are chosen by
cross-validation inside the training people; the held-out people have no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.calibration import calibrated, fit_platt
from app.cohort.cross_validation import nested_cross_validation
from app.cohort.metrics import (
    auroc,
    balanced_accuracy,
    bootstrap_interval,
    brier,
    log_loss,
    matthews,
)
from app.cohort.training import Block, Head, choose_strengths, fit_head
from app.core.arrays import Bools, Floats
from app.models.card import Calibration


@dataclass(frozen=True, slots=True)
class Contender:
    """One model: the same blocks of training and of held-out people."""

    name: str
    training: tuple[Block, ...]
    held_out: tuple[Block, ...]

    @classmethod
    def of(cls, name: str, training_count: int, *blocks: Block) -> Contender:
        """Blocks of everybody: the first `training_count` people train, the others judge."""
        first, rest = slice(training_count), slice(training_count, None)
        return cls(
            name,
            tuple(Block(one.name, one.values[first], one.factors) for one in blocks),
            tuple(Block(one.name, one.values[rest], one.factors) for one in blocks),
        )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A fitted model and what it is worth."""

    name: str
    head: Head
    calibration: Calibration
    held_out_log_odds: Floats  # (person,)
    held_out_probability: Floats  # (person,)
    figures: dict[str, float | list[float]]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How everything is judged; fixed before the held-out people are looked at."""

    outer_folds: int
    inner_folds: int
    seed: int
    cutoff: float
    bootstrap_repeats: int = 2000


def evaluate(
    contender: Contender,
    labels: Bools,
    held_out_labels: Bools,
    identifiers: Sequence[str],
    protocol: Protocol,
) -> Evaluated:
    """Choose, fit, calibrate on out-of-fold log-odds, then judge on the held-out people."""
    outside = nested_cross_validation(
        contender.training,
        labels,
        identifiers,
        outer_folds=protocol.outer_folds,
        inner_folds=protocol.inner_folds,
        seed=protocol.seed,
    )
    calibration = fit_platt(outside.log_odds, labels)
    strengths = choose_strengths(
        contender.training, labels, protocol.inner_folds, protocol.seed + 1
    )
    head = fit_head(contender.training, labels, strengths)
    log_odds = head.log_odds(contender.held_out)
    probability = calibrated(calibration, log_odds)
    low, high = bootstrap_interval(
        auroc,
        log_odds,
        held_out_labels,
        seed=protocol.seed,
        repeats=protocol.bootstrap_repeats,
    )
    return Evaluated(
        contender.name,
        head,
        calibration,
        log_odds,
        probability,
        {
            "auroc": auroc(log_odds, held_out_labels),
            "auroc_interval": [low, high],
            "auroc_cross_validated": auroc(outside.log_odds, labels),
            "balanced_accuracy": balanced_accuracy(probability, held_out_labels, protocol.cutoff),
            "mcc": matthews(probability, held_out_labels, protocol.cutoff),
            "brier": brier(probability, held_out_labels),
            "log_loss": log_loss(probability, held_out_labels),
            "strengths": [float(value) for value in head.strengths],
        },
    )


def null_figures(
    contender: Contender,
    labels: Bools,
    held_out_labels: Bools,
    strengths: Sequence[float],
    *,
    repeats: int,
    seed: int,
) -> dict[str, float | list[float]]:
    """Held-out AUROC of the same model after the labels of everybody were shuffled.

    Penalties stay as chosen: the mean must be 0.5 whatever they are. What a single null cohort
    of this size can reach by chance is the interval.
    """
    rng = np.random.default_rng(seed)
    everyone = np.concatenate([labels, held_out_labels])
    found = []
    for _ in range(repeats):
        shuffled = rng.permutation(everyone)
        inside, outside = shuffled[: len(labels)], shuffled[len(labels) :]
        head = fit_head(contender.training, inside, strengths)
        found.append(auroc(head.log_odds(contender.held_out), outside))
    low, high = np.percentile(found, [2.5, 97.5])
    return {
        "auroc_mean": float(np.mean(found)),
        "auroc_standard_error": float(np.std(found, ddof=1) / np.sqrt(repeats)),
        "auroc_range": [float(low), float(high)],
        "repeats": float(repeats),
    }


def score_histogram(
    probability: Floats, labels: Bools, bins: int = 10
) -> tuple[Floats, Floats, Floats]:
    """Edges and counts by class of held-out probabilities: (bin + 1,), (bin,), (bin,)."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    return (
        edges,
        np.histogram(probability[labels], edges)[0].astype(float),
        np.histogram(probability[~labels], edges)[0].astype(float),
    )


def gain_figures(
    scores: Floats, rival: Floats, labels: Bools, *, seed: int, repeats: int = 2000
) -> dict[str, float | list[float]]:
    """How much better `scores` rank held-out people than `rival` does, people paired.

    Each bootstrap sample takes the same people for both (percentile interval, 95 %), so what
    both owe to easy or hard people cancels. An interval that includes 0 leaves open whether
    there is any gain.
    """
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(repeats):
        rows = rng.integers(0, len(labels), len(labels))
        one, other = auroc(scores[rows], labels[rows]), auroc(rival[rows], labels[rows])
        if np.isfinite(one):
            differences.append(one - other)
    low, high = np.percentile(differences, [2.5, 97.5])
    return {
        "auroc": auroc(scores, labels) - auroc(rival, labels),
        "auroc_interval": [float(low), float(high)],
        "rival_auroc": auroc(rival, labels),
        "repeats": float(repeats),
    }
