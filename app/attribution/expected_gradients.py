"""What in the scan mattered: expected gradients with connectivity recomputed along the path.

Each path runs straight from a training participant's series to this scan's. At every point the
connectivity is computed again from the series there, so only pairs that a scan could produce
are visited. The log-odds are a sum of a series part and a connectivity part, and so is the
attribution: the series part falls on parcels and frames; the connectivity part on connections,
as the gradient with respect to the matrix times the matrix's own motion along the path,
``sum over nodes of weight * dF/dC * dC/dalpha``, which telescopes to ``F(C(x)) - F(C(r))``.
"""

from __future__ import annotations

from collections.abc import Callable
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
    silent,
)

# reference, nodes, sums of series and matrix, told: adds one path to both sums
AddPath = Callable[[Tensor, int, Tensor, Tensor, Told], None]

NODE_COUNTS = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class ScanAttribution:
    """Expected gradients of both routes."""

    series: Tensor  # (frame, parcel), float64
    connections: Tensor  # (parcel, parcel), symmetric, float64; each pair is in it twice, halved
    difference: float
    error: float
    nodes: int
    converged: bool


def expected_gradients(
    series_score: Score,
    matrix_score: Score,
    correlation_of: Callable[[Tensor], Tensor],
    inputs: Tensor,
    references: Tensor,
    *,
    node_counts: tuple[int, ...] = NODE_COUNTS,
    told: Told = silent,
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
        Tried until both routes' sums are right together; the cheap connectivity route alone
        gets four times as many nodes.
    told
        Told the fraction done; may raise to cancel.
    """
    with torch.no_grad():
        top = (float(series_score(inputs)), float(matrix_score(correlation_of(inputs))))
        lows = [
            (float(series_score(one)), float(matrix_score(correlation_of(one))))
            for one in references
        ]
    difference = sum(top) - float(np.mean([sum(low) for low in lows]))

    def add_path(reference: Tensor, nodes: int, series: Tensor, matrix: Tensor, told: Told) -> None:
        step = inputs - reference
        for number, (place, weight) in enumerate(zip(*gauss_legendre(nodes), strict=True)):
            told(number / nodes)
            gradient = gradient_of(series_score, reference + place * step)
            series += weight * (gradient * step).cpu().double()
        for place, weight in zip(*gauss_legendre(4 * nodes), strict=True):
            matrix += weight * _matrix_motion(
                matrix_score, correlation_of, reference + place * step, step
            )

    return averaged_paths(add_path, inputs, references, difference, node_counts, told)


def averaged_paths(
    add_path: AddPath,
    inputs: Tensor,
    references: Tensor,
    difference: float,
    node_counts: tuple[int, ...],
    told: Told,
) -> ScanAttribution:
    """Average of path attributions over references, with more nodes until the sum is right.

    Parameters
    ----------
    add_path
        Adds the path from one reference, with that many nodes, to the sums of series
        (frame, parcel) and matrix (parcel, parcel); tells its own fraction done.
    inputs, references, node_counts, told
        As `expected_gradients`.
    difference
        What the sum of both attributions should be.
    """
    found = None
    for nodes in node_counts:
        series = torch.zeros(inputs.shape, dtype=torch.float64)
        matrix = torch.zeros((inputs.shape[1],) * 2, dtype=torch.float64)
        for index, reference in enumerate(references):

            def told_path(share: float, index: int = index) -> None:
                told((index + share) / len(references))

            add_path(reference, nodes, series, matrix, told_path)
        series, matrix = series / len(references), matrix / len(references)
        error = abs(float(series.sum() + matrix.sum()) - difference)
        found = ScanAttribution(
            series,
            0.5 * (matrix + matrix.T),
            difference,
            error,
            nodes,
            converged(error, difference),
        )
        if found.converged:
            break
    assert found is not None
    return found


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
