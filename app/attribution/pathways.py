"""Models in which the branches interact: shares by Shapley, one joint path through the scan.

A model whose log-odds are no sum over branches has no "part of the series". Two things still
hold exactly:

* with inputs as independent: the Shapley value of the series in the game with two players is
  ``1/2 [f(s, C0) - f(s0, C0)] + 1/2 [f(s, C) - f(s0, C)]`` (Shapley 1953; baselines s0, C0), so
  integrated gradients of the mean of those two functions of s sum to it, and both branches
  together sum to ``f(s, C) - f(s0, C0)``;
* along a path through the scan, ``df = df/ds ds + df/dC dC`` at every point, whatever f is, so
  expected gradients split into series and connections without any assumption.

For a sum over branches both give what the additive functions give.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from app.attribution.expected_gradients import ScanAttribution, averaged_paths, motion_of
from app.attribution.integrated_gradients import Score, Told, gauss_legendre, silent

JointScore = Callable[[Tensor, Tensor], Tensor]  # series, matrix -> scalar log-odds
NODE_COUNTS = (8, 16, 32, 64)


def shapley_scores(
    score: JointScore,
    series: Tensor,
    matrix: Tensor,
    baseline_series: Tensor,
    baseline_matrix: Tensor,
) -> tuple[Score, Score]:
    """One function of the series and one of the matrix; differences are Shapley values."""

    def of_series(one: Tensor) -> Tensor:
        return 0.5 * (score(one, baseline_matrix) + score(one, matrix))

    def of_matrix(one: Tensor) -> Tensor:
        return 0.5 * (score(baseline_series, one) + score(series, one))

    return of_series, of_matrix


def joint_expected_gradients(
    score: JointScore,
    correlation_of: Callable[[Tensor], Tensor],
    inputs: Tensor,
    references: Tensor,
    *,
    node_counts: tuple[int, ...] = NODE_COUNTS,
    told: Told = silent,
) -> ScanAttribution:
    """Average over references of path attributions with connectivity recomputed.

    Parameters
    ----------
    score
        Log-odds of series (frame, parcel) and matrix (parcel, parcel).
    correlation_of, inputs, references, told
        As `expected_gradients`.
    node_counts
        Tried until the sum is right.
    """
    with torch.no_grad():
        top = float(score(inputs, correlation_of(inputs)))
        low = float(np.mean([float(score(one, correlation_of(one))) for one in references]))

    def add_path(reference: Tensor, nodes: int, series: Tensor, matrix: Tensor, told: Told) -> None:
        step = inputs - reference
        for number, (place, weight) in enumerate(zip(*gauss_legendre(nodes), strict=True)):
            told(number / nodes)
            at = reference + place * step
            connections, motion = motion_of(correlation_of, at, step)
            start = at.detach().requires_grad_(True)
            beside = connections.detach().requires_grad_(True)
            with torch.enable_grad():
                slopes = torch.autograd.grad(score(start, beside), (start, beside))
            series += weight * (slopes[0] * step).cpu().double()
            matrix += weight * (slopes[1] * motion).detach().cpu().double()

    return averaged_paths(add_path, inputs, references, top - low, node_counts, told)
