"""What a bundle carries so that its numbers and maps can be doubted: from features alone.

* calibrations of the resampled heads: the same resampled people, out-of-fold log-odds, Platt;
* heads fitted on shuffled labels, penalties as chosen;
* every network and pair of networks by itself: the classes' difference, and the covariance of
  the feature with the model's output, which a weight cannot show (Haufe et al. 2014,
  doi 10.1016/j.neuroimage.2013.10.067: a weight may only cancel noise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.calibration import fit_platt
from app.cohort.feature_table import FeatureTable
from app.cohort.training import Block, Head, fit_head, folds_of
from app.core.arrays import Bools, Floats, Ints

SHUFFLED_HEADS = 10
CALIBRATION_FOLDS = 5
_SHUFFLE_SEED = 43


def resampled_models(
    blocks: Sequence[Block], labels: Bools, strengths: Sequence[float], *, repeats: int, seed: int
) -> tuple[tuple[Head, ...], Floats]:
    """Heads refitted on resampled people (with replacement, both classes present).

    Each has a calibration of its own; a person drawn twice is in one fold with both copies.

    Returns
    -------
    heads, calibrations (head, 2) slope and intercept
    """
    rng = np.random.default_rng(seed)
    heads: list[Head] = []
    calibrations: list[tuple[float, float]] = []
    fold = folds_of(labels, CALIBRATION_FOLDS, seed)
    while len(heads) < repeats:
        counts = np.bincount(
            rng.integers(0, len(labels), len(labels)), minlength=len(labels)
        ).astype(float)
        drawn = labels[counts > 0]
        if drawn.all() or not drawn.any():
            continue
        heads.append(fit_head(blocks, labels, strengths, counts))
        calibrations.append(_calibration(blocks, labels, strengths, counts, fold))
    return tuple(heads), np.array(calibrations)


def _calibration(
    blocks: Sequence[Block], labels: Bools, strengths: Sequence[float], counts: Floats, fold: Ints
) -> tuple[float, float]:
    scores = np.zeros(len(labels))
    for number in range(CALIBRATION_FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        head = fit_head(
            [block.rows(inside) for block in blocks], labels[inside], strengths, counts[inside]
        )
        scores[outside] = head.log_odds([block.rows(outside) for block in blocks])
    people = np.repeat(np.arange(len(labels)), counts.astype(int))
    found = fit_platt(scores[people], labels[people])
    return found.slope, found.intercept


def shuffled_heads(
    blocks: Sequence[Block], labels: Bools, strengths: Sequence[float], *, repeats: int
) -> tuple[Head, ...]:
    """Heads that had nothing to learn: the same people, labels shuffled."""
    rng = np.random.default_rng(_SHUFFLE_SEED)
    return tuple(fit_head(blocks, rng.permutation(labels), strengths) for _ in range(repeats))


def univariate(
    series: Floats, pairs: Floats, labels: Bools, log_odds: Floats, networks: int
) -> tuple[Floats, Floats]:
    """Hedges' g and Haufe's pattern of each network's series and each pair of networks.

    Parameters
    ----------
    series
        (person, network * width); a network's feature is the mean over its width.
    pairs
        (person, network pair).
    labels, log_odds
        (person,).

    Returns
    -------
    (2, network), (2, pair): first row g, second row pattern
    """
    by_network = series.reshape(len(series), networks, -1).mean(axis=2)

    def both(values: Floats) -> Floats:
        return np.stack([_hedges(values, labels), _pattern(values, log_odds)])

    return both(by_network), both(pairs)


def _hedges(values: Floats, labels: Bools) -> Floats:
    one, other = values[labels], values[~labels]
    freedom = len(values) - 2
    pooled = np.sqrt(
        (one.var(axis=0, ddof=1) * (len(one) - 1) + other.var(axis=0, ddof=1) * (len(other) - 1))
        / freedom
    )
    return np.asarray(
        (one.mean(axis=0) - other.mean(axis=0)) / pooled * (1 - 3 / (4 * freedom - 1))
    )


def _pattern(values: Floats, log_odds: Floats) -> Floats:
    centred, output = values - values.mean(axis=0), log_odds - log_odds.mean()
    return np.asarray(centred.T @ output / (len(values) - 1) / output.std(ddof=1))


def health_arrays(
    training: Sequence[Block],
    labels: Bools,
    head: Head,
    calibrations: Floats,
    network_count: int,
) -> dict[str, Floats]:
    """The arrays of a bundle that `Sizes.shuffled_heads` stands for."""
    shuffled = shuffled_heads(training, labels, head.strengths, repeats=SHUFFLED_HEADS)
    series, pairs = univariate(
        training[0].values, training[1].values, labels, head.log_odds(training), network_count
    )
    return {
        "bootstrap.calibration": calibrations,
        "shuffled.bias": np.array([one.bias for one in shuffled]),
        "shuffled.series": np.stack([one.weights[0] for one in shuffled]),
        "shuffled.connectivity": np.stack([one.weights[1] for one in shuffled]),
        "univariate.series": series,
        "univariate.connectivity": pairs,
    }


def add_health_arrays(
    bundle_dir: Path,
    table: FeatureTable,
    *,
    bootstrap_seed: int,
    method: str,
) -> Mapping[str, Any]:
    """Add the arrays to a finished bundle; its head and every other array keep their bits.

    Parameters
    ----------
    bundle_dir
        Rewritten: weights with the new arrays, the card with their number and the new hash.
    table
        Features of the people the bundle was made from, training people first.
    bootstrap_seed
        Of the bundle's own resampled heads.
    method
        What the card then says of the interval.

    Raises
    ------
    ModelError
        ``cohort.other_people``.
    """
    import tomllib

    import torch
    from safetensors.torch import load_file, save_file

    from app.cohort.demo_writer import add_to_card
    from app.cohort.judging import TOLERANCE, strengths_of
    from app.core.errors import ModelError
    from app.core.provenance import file_sha256
    from app.models.card import read_card
    from app.models.installed import CARD_FILE, WEIGHTS_FILE

    card = read_card(bundle_dir)
    count = card.summary.training_count
    tensors = load_file(str(bundle_dir / WEIGHTS_FILE))
    networks = tensors["network_of_parcel"].numpy().astype(np.int64)
    series, pairs = table.blocks(networks)
    rows = np.arange(count)
    training, labels = (series.rows(rows), pairs.rows(rows)), table.labels[:count]
    head = fit_head(training, labels, strengths_of(card.raw))
    delivered = tensors["head.series"].numpy()
    off = np.abs(head.weights[0] - delivered).max() / np.abs(delivered).max()
    heads, calibrations = resampled_models(
        training, labels, head.strengths,
        repeats=len(tensors["bootstrap.bias"]), seed=bootstrap_seed,
    )  # fmt: skip
    drift = np.abs(np.array([one.bias for one in heads]) - tensors["bootstrap.bias"].numpy()).max()
    if off > TOLERANCE or drift > TOLERANCE:
        raise ModelError(
            "These are not the participants that the model was made from.",
            "Use the features of the cohort with the seed that its card names.",
            code="cohort.other_people",
        )
    found = health_arrays(training, labels, head, calibrations, int(networks.max()) + 1)
    tensors |= {key: torch.from_numpy(v.astype(np.float32)) for key, v in found.items()}
    save_file(tensors, str(bundle_dir / WEIGHTS_FILE))
    raw = tomllib.loads((bundle_dir / CARD_FILE).read_text(encoding="utf-8"))
    add_to_card(bundle_dir, "sizes", raw["sizes"] | {"shuffled_heads": SHUFFLED_HEADS})
    add_to_card(bundle_dir, "uncertainty", raw["uncertainty"] | {"method": method})
    digest = file_sha256(bundle_dir / WEIGHTS_FILE)
    add_to_card(bundle_dir, "weights", raw["weights"] | {"sha256": digest})
    return {"head_off": float(off), "bias_drift": float(drift), "arrays": sorted(found)}
