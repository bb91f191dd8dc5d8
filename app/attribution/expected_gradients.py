"""What in the scan mattered: expected gradients with connectivity recomputed along the path.

Each path runs straight from a training participant's series to this scan's. At every point the
connectivity is computed again from the series there, so only pairs that a scan could produce
are visited. The log-odds are a sum of a series part and a connectivity part, and so is the
attribution: the series part falls on parcels and frames; the connectivity part on connections,
as the gradient with respect to the matrix times the matrix's own motion along the path,
``sum over nodes of weight * dF/dC * dC/dalpha``, which telescopes to ``F(C(x)) - F(C(r))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.attribution.integrated_gradients import (
    Score,
    Told,
    converged,
    gauss_legendre,
    gradient_of,
    map_change,
    rule,
    silent,
)

Kept = dict[float, tuple[Tensor, ...]]  # what was computed at a place of one path before
# reference, nodes, kept, told -> what one path gives series (frame, parcel) and matrix
WalkPath = Callable[[Tensor, int, Kept, Told], tuple[Tensor, Tensor]]

NODE_COUNTS = (3, 7, 15, 31)


@dataclass(frozen=True, slots=True)
class ScanAttribution:
    """Expected gradients of both routes."""

    series: Tensor  # (frame, parcel), float64
    connections: Tensor  # (parcel, parcel), symmetric, float64; each pair is in it twice, halved
    difference: float
    error: float
    nodes: int
    converged: bool
    change: float | None  # of both maps together since the rule before; None = there was none
    by_reference: tuple[tuple[Tensor, Tensor], ...]  # series and connections from each alone
    differences: tuple[float, ...]  # f(x) - f(reference), of each


def expected_gradients(
    series_score: Score,
    matrix_score: Score,
    correlation_of: Callable[[Tensor], Tensor],
    inputs: Tensor,
    references: Tensor,
    *,
    node_counts: tuple[int, ...] = NODE_COUNTS,
    told: Told = silent,
    kept: Sequence[Kept] | None = None,
    measured: bool = True,
) -> ScanAttribution:
    """Average over references of the path attributions of both routes.

    Parameters
    ----------
    series_score, matrix_score
        The two parts of the log-odds, as functions of series (frame, parcel) and of the matrix.
    correlation_of
        Differentiable (frame, parcel) -> (parcel, parcel).
    inputs
        (frame, parcel).
    references
        (reference, frame, parcel).
    node_counts
        Tried until both routes have converged together; the cheap connectivity route gets four
        times as many nodes, Gauss-Legendre ones.
    told
        Told the fraction done; may raise to cancel.
    kept
        (reference,) the series route's share at each place of the path: taken from here where it
        is there, and put there. Another matrix score may use what the same series score left.
    measured
        Ask for the log-odds at the ends of the paths; without, difference and error are NaN.
    """

    def both(one: Tensor) -> tuple[float, float]:
        if not measured:
            return float("nan"), float("nan")
        return float(series_score(one)), float(matrix_score(correlation_of(one)))

    with torch.no_grad():
        top, lows = both(inputs), [both(one) for one in references]
    difference = sum(top) - float(np.mean([sum(low) for low in lows]))
    each = tuple(sum(top) - sum(low) for low in lows)

    def walk(reference: Tensor, nodes: int, kept: Kept, told: Told) -> tuple[Tensor, Tensor]:
        step = inputs - reference
        series = torch.zeros(inputs.shape, dtype=torch.float64)
        matrix = torch.zeros((inputs.shape[1],) * 2, dtype=torch.float64)
        for number, (place, weight) in enumerate(zip(*rule(nodes), strict=True)):
            if place not in kept:
                told(number / nodes)
                kept[place] = ((gradient_of(series_score, reference + place * step) * step).cpu(),)
            series += weight * kept[place][0].double()
        for place, weight in zip(*gauss_legendre(4 * nodes), strict=True):
            matrix += weight * _matrix_motion(
                matrix_score, correlation_of, reference + place * step, step
            )
        return series, matrix

    return averaged_paths(
        walk, inputs, references, difference, node_counts, told, each=each, kept=kept
    )


def averaged_paths(
    walk: WalkPath,
    inputs: Tensor,
    references: Tensor,
    difference: float,
    node_counts: tuple[int, ...],
    told: Told,
    *,
    each: tuple[float, ...],
    kept: Sequence[Kept] | None = None,
) -> ScanAttribution:
    """Average of path attributions over references, with more nodes until it has converged.

    Parameters
    ----------
    walk
        Gives the path from one reference, with that many nodes; takes what it `kept` there with
        fewer nodes, and tells its own fraction done.
    inputs, references, node_counts, told
        As `expected_gradients`.
    difference
        What the sum of both attributions should be.
    each
        (reference,) the same from each reference alone.
    kept
        As `expected_gradients`; None begins with nothing.
    """
    found = None
    kept = [{} for _ in references] if kept is None else kept
    for nodes in node_counts:
        parts = []
        for index, reference in enumerate(references):

            def told_path(share: float, index: int = index) -> None:
                told((index + share) / len(references))

            series, matrix = walk(reference, nodes, kept[index], told_path)
            parts.append((series, 0.5 * (matrix + matrix.T)))
        series = torch.stack([part[0] for part in parts]).mean(dim=0)
        matrix = torch.stack([part[1] for part in parts]).mean(dim=0)
        error = abs(float(series.sum() + matrix.sum()) - difference)
        old = None if found is None else _one(found.series, found.connections)
        change = map_change(_one(series, matrix), old)
        done = converged(error, difference, change)
        found = ScanAttribution(
            series, matrix, difference, error, nodes, done, change, tuple(parts), each
        )
        if done:
            break
    assert found is not None
    return found


def _one(series: Tensor, matrix: Tensor) -> Tensor:
    return torch.cat([series.flatten(), matrix.flatten()])


def _matrix_motion(
    score: Score, correlation_of: Callable[[Tensor], Tensor], at: Tensor, step: Tensor
) -> Tensor:
    """dF/dC times dC/dalpha at one point of the path, (parcel, parcel)."""
    matrix, motion = motion_of(correlation_of, at, step)
    product: Tensor = (gradient_of(score, matrix) * motion).detach().cpu().double()
    return product


def motion_of(
    correlation_of: Callable[[Tensor], Tensor], at: Tensor, step: Tensor
) -> tuple[Tensor, Tensor]:
    """The matrix at one point of the path and dC/dalpha there, both (parcel, parcel)."""
    start = at.detach().requires_grad_(True)
    with torch.enable_grad():
        matrix = correlation_of(start)
        # Forward derivative by two backward passes: the gradient is linear in `probe`.
        probe = torch.zeros_like(matrix, requires_grad=True)
        (backward,) = torch.autograd.grad(matrix, start, probe, create_graph=True)
        (motion,) = torch.autograd.grad(backward, probe, step)
    return matrix, motion
