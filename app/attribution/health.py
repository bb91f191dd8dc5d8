"""Explanation health: the map (b) again under choices that should not matter, and under models
that know nothing.

A repeat is compared with a map of the unaltered scan made from the same references and nodes, so
that what differs is the altered choice alone. Its deviation from that map, over all repeats with
each kind counting the same, is the spread that a parcel's value has to stand out from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.attribution.agreement import spearman
from app.attribution.determinism import deterministic_torch
from app.attribution.expected_gradients import Kept, ScanAttribution, expected_gradients
from app.attribution.explain import ExplainableModel, JointlyExplainable
from app.attribution.integrated_gradients import Told
from app.attribution.pathways import joint_expected_gradients
from app.core.arrays import Bools, Floats
from app.core.explanation_health import (
    BASELINES,
    OWN_BASELINE,
    Repeat,
    SanityCheck,
    Spread,
)
from app.core.progress import Progress
from app.core.results import Attribution

NODES = (3,)  # of every repeat; their numerical error is part of the spread
REFERENCES = 2  # of every repeat but the baselines'


@dataclass(frozen=True, slots=True)
class Altered:
    """The same scan under another choice, or through a model that knows nothing."""

    kind: str  # of REPEAT_KINDS, or RANDOM_WEIGHTS, SHUFFLED_LABELS
    name: str
    model: ExplainableModel
    same_series: bool = False  # model, series and references are the scan's own: only the matrix
    # differs, so the series route is what was computed for the scan as it is


@dataclass(frozen=True, slots=True)
class Judged:
    """What the repeats give; see `ExplanationHealth`."""

    repeats: tuple[Repeat, ...]
    stability: Floats
    connection_stability: Floats
    sanity: tuple[SanityCheck, ...]
    elsewhere: Spread


@dataclass(frozen=True, slots=True)
class _Map:
    parcels: Floats
    connections: Floats
    found: ScanAttribution


def judge(
    model: ExplainableModel,
    shown: Attribution,
    repeats: Sequence[Altered],
    ignorant: Sequence[Altered],
    progress: Progress,
) -> Judged:
    """Compare the map as shown with repeats and with models that know nothing.

    Parameters
    ----------
    model
        The scan as it was explained.
    shown
        Its attribution.
    repeats, ignorant
        The same scan altered; a map is made of each, one after the other.
    progress
        Told between nodes; a cancel takes hold there.
    """
    present = np.asarray(model.present.cpu().numpy(), np.bool_)
    total = 2 + len(repeats) + len(ignorant)
    done = 0
    kept: list[Kept] = [{} for _ in model.references]  # of the scan as it is

    def drawn(
        one: ExplainableModel,
        count: int | None,
        name: str,
        kept: Sequence[Kept] | None = None,
        *,
        measured: bool = True,
    ) -> _Map:
        nonlocal done
        start = done

        def told(share: float) -> None:
            progress.step((start + share) / total, name)

        told(0.0)
        found = _map(one, count, told, kept, measured=measured)
        done += 1
        return found

    with deterministic_torch():
        every = drawn(model, None, "baselines", kept)
        done += 1  # four references take as long as two repeats
        pieces = [_folded(series, matrix) for series, matrix in every.found.by_reference]
        alike = _mean(pieces[:REFERENCES])
        rows, deviations = _baselines(shown, every, pieces, present)
        for one in repeats:
            own = kept[:REFERENCES] if _same_series(one, model) else None
            found = drawn(one.model, REFERENCES, f"{one.kind}: {one.name}", own)
            rows.append(_repeat(one.kind, one.name, found, alike, present))
            away = (found.parcels - alike[0], found.connections - alike[1])
            deviations.setdefault(one.kind, []).append(away)
        similar: dict[str, list[float]] = {}
        for one in ignorant:
            # of a model that knows nothing the map alone is looked at, never its number
            found = drawn(one.model, REFERENCES, f"{one.kind}: {one.name}", measured=False)
            similar.setdefault(one.kind, []).append(
                spearman(np.abs(found.parcels[present]), np.abs(alike[0][present]))
            )
    whole = shown.scan
    return Judged(
        tuple(rows),
        _stability(whole.per_parcel, [[a for a, _ in d] for d in deviations.values()]),
        _stability(whole.per_connection, [[b for _, b in d] for d in deviations.values()]),
        tuple(
            SanityCheck(kind, f"{len(values)} models", float(np.mean(values)), len(values))
            for kind, values in similar.items()
        ),
        _elsewhere(deviations),
    )


def _same_series(one: Altered, model: ExplainableModel) -> bool:
    """Whether the series route of an alteration is, to the bit, that of the scan as it is."""
    return (
        one.same_series
        and torch.equal(one.model.series, model.series)
        and torch.equal(one.model.references[:REFERENCES], model.references[:REFERENCES])
    )


def _map(
    model: ExplainableModel,
    count: int | None,
    told: Told,
    kept: Sequence[Kept] | None = None,
    *,
    measured: bool = True,
) -> _Map:
    references = model.references if count is None else model.references[:count]
    if isinstance(model, JointlyExplainable):
        found = joint_expected_gradients(
            model.joint_log_odds, model.correlation_of, model.series, references,
            node_counts=NODES, told=told,
        )  # fmt: skip
    else:
        found = expected_gradients(
            model.series_log_odds, model.connectivity_log_odds, model.correlation_of, model.series,
            references, node_counts=NODES, told=told, kept=kept, measured=measured,
        )  # fmt: skip
    return _Map(*_folded(found.series, found.connections), found)


def _folded(series: Tensor, matrix: Tensor) -> tuple[Floats, Floats]:
    """Parcels (series plus half of each touching connection) and whole connections."""
    one = series.double().numpy().sum(axis=0)
    pairs = matrix.double().numpy()
    own = np.diagonal(pairs).copy()
    both = pairs + pairs.T
    np.fill_diagonal(both, 0.0)
    return np.asarray(one + own + 0.5 * both.sum(axis=1)), both


def _mean(maps: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return (
        np.asarray(np.mean([one for one, _ in maps], axis=0)),
        np.asarray(np.mean([both for _, both in maps], axis=0)),
    )


def _baselines(
    shown: Attribution,
    every: _Map,
    pieces: Sequence[tuple[Floats, Floats]],
    present: Bools,
) -> tuple[list[Repeat], dict[str, list[tuple[Floats, Floats]]]]:
    """Each reference alone, and method (a)'s own baseline."""
    found, against = every.found, (every.parcels, every.connections)
    rows, deviations = [], []
    if len(pieces) > 1:
        upper = np.triu_indices(len(pieces[0][1]), 1)
        for number, (parcels, pairs) in enumerate(pieces, start=1):
            series, difference = found.by_reference[number - 1][0], found.differences[number - 1]
            row = Repeat(
                BASELINES,
                f"reference {number} of {len(pieces)} alone",
                np.asarray(parcels, np.float32),
                spearman(parcels[present], against[0][present]),
                _alike(pairs, against[1]),
                difference,
                abs(float(parcels.sum()) - difference),
                found.nodes,
                np.asarray(pairs[upper], np.float32),
                np.ascontiguousarray(series.numpy().T, np.float32),
            )
            rows.append(row)
            deviations.append((parcels - against[0], pairs - against[1]))
    branches = shown.branches
    rows.append(
        Repeat(
            BASELINES,
            OWN_BASELINE,
            np.asarray(branches.per_parcel, np.float32),
            spearman(branches.per_parcel[present], shown.scan.per_parcel[present]),
            _alike(branches.per_connection, shown.scan.per_connection),
            branches.output_difference,
            branches.completeness_error,
            branches.nodes,
        )
    )
    away = (
        branches.per_parcel - shown.scan.per_parcel,
        branches.per_connection - shown.scan.per_connection,
    )
    return rows, {BASELINES: [*deviations, away]}


def _repeat(
    kind: str, name: str, found: _Map, alike: tuple[Floats, Floats], present: Bools
) -> Repeat:
    return Repeat(
        kind,
        name,
        np.asarray(found.parcels, np.float32),
        spearman(found.parcels[present], alike[0][present]),
        _alike(found.connections, alike[1]),
        found.found.difference,
        found.found.error,
        found.found.nodes,
    )


def _alike(first: Floats, second: Floats) -> float:
    upper = np.triu_indices(len(first), 1)
    return spearman(np.asarray(first)[upper], np.asarray(second)[upper])


def _elsewhere(deviations: dict[str, list[tuple[Floats, Floats]]]) -> Spread:
    """What the repeats of all kinds but the baselines deviate by."""
    others = [found for kind, found in deviations.items() if kind != BASELINES]
    parcels, pairs = deviations[BASELINES][0]
    upper = np.triu_indices(len(pairs), 1)
    squares, pair_squares = np.zeros(len(parcels)), np.zeros(len(upper[0]))
    for found in others:
        squares += np.mean([np.square(one) for one, _ in found], axis=0)
        pair_squares += np.mean([np.square(both[upper]) for _, both in found], axis=0)
    return Spread(
        np.asarray(squares, np.float32), np.asarray(pair_squares, np.float32), len(deviations)
    )


def _stability(shown: Floats, kinds: Sequence[Sequence[Floats]]) -> Floats:
    """|shown| / (|shown| + spread); the spread is a root mean square, each kind counts the same.

    0 where nothing is shown.
    """
    squares = [np.mean([np.square(one) for one in kind], axis=0) for kind in kinds]
    spread = np.sqrt(np.mean(squares, axis=0))
    size = np.abs(np.nan_to_num(np.asarray(shown, np.float64)))
    total = size + spread
    return np.asarray(np.where(size > 0, size / np.where(total > 0, total, 1.0), 0.0), np.float32)
