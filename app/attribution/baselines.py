"""An explanation as seen from one baseline: its own map, agreement and stability.

The answer's own map (b) is the mean over all references. What each reference gives alone, and
method (a)'s own baseline, is kept by explanation health and can be drawn in its place. Nothing
is computed by a model here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.attribution.agreement import agreement_of
from app.core.arrays import Floats, frozen
from app.core.explanation_health import (
    BASELINES,
    OWN_BASELINE,
    ExplanationHealth,
    Repeat,
    Spread,
)
from app.core.results import Attribution, BranchAttribution


def seen_from(
    attribution: Attribution, health: ExplanationHealth, number: int
) -> tuple[Attribution, ExplanationHealth] | None:
    """The explanation whose map (b) is that of one baseline, with that map's own stability.

    Parameters
    ----------
    attribution, health
        As the case holds them.
    number
        Of `health.of_kind(BASELINES)`, first = 0.

    Returns
    -------
    None where the case keeps no map of that baseline. Stability of a value v is
    ``|v| / (|v| + spread)``; the spread's part over baselines is the root mean square of how far
    the other baselines lie from v, its other parts are those of the map as shown. Agreement is
    with (a); for (a)'s own baseline, which cannot be compared with itself, it stays that of the
    map as shown.
    """
    found = health.of_kind(BASELINES)
    if health.elsewhere is None or not 0 <= number < len(found):
        return None
    maps = [_map(one, attribution) for one in found]
    own = maps[number]
    if own is None:
        return None
    others = [one for index, one in enumerate(maps) if index != number and one is not None]
    branch = _branch(found[number], attribution, own)
    agreement, disagreeing = attribution.agreement, attribution.disagreeing
    if found[number].name != OWN_BASELINE:
        a, b = np.asarray(attribution.branches.per_parcel), branch.per_parcel
        # A parcel that the scan does not cover moves nothing in either.
        agreement, apart = agreement_of(a, b, np.asarray((a != 0.0) | (b != 0.0)))
        disagreeing = frozen(apart)
    return (
        replace(attribution, scan=branch, agreement=agreement, disagreeing=disagreeing),
        replace(
            health,
            stability=frozen(_stability(own[0], [one[0] for one in others], health.elsewhere, 0)),
            connection_stability=frozen(
                square(_stability(own[1], [one[1] for one in others], health.elsewhere, 1))
            ),
        ),
    )


def square(pairs: Floats) -> Floats:
    """(pair,) of an upper triangle, row by row, as a symmetric matrix; its diagonal is 0."""
    count = round((1.0 + float(np.sqrt(1.0 + 8.0 * len(pairs)))) / 2.0)
    matrix = np.zeros((count, count), np.asarray(pairs).dtype)
    matrix[np.triu_indices(count, 1)] = pairs
    return np.asarray(matrix + matrix.T)


def _map(one: Repeat, attribution: Attribution) -> tuple[Floats, Floats] | None:
    """(parcel,) and (pair,) of a baseline; None where they are not kept."""
    if one.name == OWN_BASELINE:
        matrix = np.asarray(attribution.branches.per_connection)
        return (
            np.asarray(attribution.branches.per_parcel),
            np.asarray(matrix[np.triu_indices(len(matrix), 1)]),
        )
    if one.per_pair is None:
        return None
    return np.asarray(one.per_parcel, np.float64), np.asarray(one.per_pair, np.float64)


def _branch(one: Repeat, attribution: Attribution, own: tuple[Floats, Floats]) -> BranchAttribution:
    if one.name == OWN_BASELINE or one.per_parcel_frame is None:
        return attribution.branches
    connections = square(own[1])
    return BranchAttribution(
        method=f"{attribution.scan.method}; {one.name}",
        per_parcel_series=frozen(own[0] - 0.5 * connections.sum(axis=1)),
        per_parcel_frame=one.per_parcel_frame,
        per_connection=frozen(connections),
        completeness_error=one.completeness_error,
        output_difference=one.output_difference,
        nodes=one.nodes,
        converged=False,  # not known: there is no map of fewer nodes to compare with
    )


def _stability(own: Floats, others: list[Floats], elsewhere: Spread, part: int) -> Floats:
    beside = elsewhere.per_pair if part else elsewhere.per_parcel
    squares = np.asarray(beside, np.float64)
    if others:
        squares = squares + np.mean([np.square(one - own) for one in others], axis=0)
    spread = np.sqrt(squares / elsewhere.kinds)
    size = np.abs(np.nan_to_num(own))
    total = size + spread
    return np.asarray(np.where(size > 0, size / np.where(total > 0, total, 1.0), 0.0), np.float32)
