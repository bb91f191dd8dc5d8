"""The same protocol on a cohort in which nothing distinguishes responders.

Other simulated people, another seed, no signature, the whole recipe; then the split, the
choice of penalties, the fit and the judging exactly as for the delivered model. A held-out AUROC
whose interval leaves 0.5 out would tell of a leak. One cohort gives one figure; how far chance
alone carries a cohort of this size is told by `evaluation.null_figures` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.cohort.demo_settings import DemoSettings
from app.cohort.evaluation import Contender, evaluate
from app.cohort.metrics import auroc, bootstrap_interval
from app.cohort.training import Block
from app.core.arrays import Bools, Floats

Figures = dict[str, float | list[float]]


def null_cohort_figures(
    blocks: Sequence[Block],
    labels: Bools,
    training_count: int,
    settings: DemoSettings,
    cohort_seed: int,
) -> Figures:
    """Figures of the fused model and of each branch, trained and judged on a null cohort.

    Parameters
    ----------
    blocks
        Series and connectivity features of everybody, in the order of their identifiers.
    labels
        (person,) True = responder; they mean nothing.
    training_count
        The first so many train, the others judge.
    settings
        The delivered model's protocol.
    cohort_seed
        What the cohort was drawn with; recorded.

    Returns
    -------
    ``auroc`` with ``auroc_interval`` (bootstrap over held-out people), ``auroc_cross_validated``,
    both branches alone, counts and the seed.
    """
    inside, outside = labels[:training_count], labels[training_count:]
    names = [str(place) for place in range(training_count)]

    def judged(*some: Block) -> Figures:
        contender = Contender.of("null", training_count, *some)
        return evaluate(contender, inside, outside, names, settings.protocol).figures

    fused = judged(*blocks)
    figures: Figures = {
        name: fused[name] for name in ("auroc", "auroc_interval", "auroc_cross_validated")
    }
    for block in blocks:
        alone = judged(block)
        figures[f"auroc_{block.name}"] = alone["auroc"]
        figures[f"auroc_{block.name}_interval"] = alone["auroc_interval"]
    return figures | {
        "training_count": float(len(inside)),
        "held_out_count": float(len(outside)),
        "cohort_seed": float(cohort_seed),
    }


def delivered_on_null(log_odds: Floats, labels: Bools, settings: DemoSettings) -> Figures:
    """What the delivered model's scores are worth on all people of the null cohort.

    None of them had a part in it, so all count: the most precise of the null figures.
    """
    low, high = bootstrap_interval(auroc, log_odds, labels, seed=settings.fold_seed)
    return {
        "delivered_auroc": auroc(log_odds, labels),
        "delivered_auroc_interval": [low, high],
    }
