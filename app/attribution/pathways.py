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

from app.attribution.expected_gradients import Kept, ScanAttribution, averaged_paths, motion_of
from app.attribution.integrated_gradients import Score, Told, rule, silent

JointScore = Callable[[Tensor, Tensor], Tensor]  # series, matrix -> scalar log-odds
NODE_COUNTS = (7, 15, 31, 63)


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
        Tried until the map has converged.
    """
    with torch.no_grad():
        top = float(score(inputs, correlation_of(inputs)))
        lows = [float(score(one, correlation_of(one))) for one in references]

    def walk(reference: Tensor, nodes: int, kept: Kept, told: Told) -> tuple[Tensor, Tensor]:
        step = inputs - reference
        series = torch.zeros(inputs.shape, dtype=torch.float64)
        matrix = torch.zeros((inputs.shape[1],) * 2, dtype=torch.float64)
        for number, (place, weight) in enumerate(zip(*rule(nodes), strict=True)):
            if place not in kept:
                told(number / nodes)
                kept[place] = slopes_at(reference + place * step, step)
            series += weight * kept[place][0].double()
            matrix += weight * kept[place][1].double()
        return series, matrix

    def slopes_at(at: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        connections, motion = motion_of(correlation_of, at, step)
        start = at.detach().requires_grad_(True)
        beside = connections.detach().requires_grad_(True)
        with torch.enable_grad():
            slopes = torch.autograd.grad(score(start, beside), (start, beside))
        return (slopes[0] * step).cpu(), (slopes[1] * motion).detach().cpu()

    low = float(np.mean(lows))
    each = tuple(top - one for one in lows)
    return averaged_paths(walk, inputs, references, top - low, node_counts, told, each=each)
