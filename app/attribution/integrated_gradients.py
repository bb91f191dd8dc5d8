"""Integrated gradients along straight paths, with nested nodes and an own error.

Sundararajan, Taly and Yan 2017 (arXiv 1703.01365): attribution = (x - baseline) times the mean
gradient along the path; the attributions sum to f(x) - f(baseline), and how far they miss it is
the numerical error that is reported. Expected gradients (Erion et al. 2021, arXiv 1906.10670)
average this over reference inputs. Everything here is a pure function over callables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from app.attribution.nested_nodes import NESTED_COUNTS, nested_rule

Score = Callable[[Tensor], Tensor]  # inputs -> scalar log-odds
Scores = Callable[[Tensor], Tensor]  # (batch, *inputs) -> (batch,) log-odds
Told = Callable[[float], None]  # fraction done, 0..1

NODE_COUNTS = NESTED_COUNTS
RELATIVE_TOLERANCE = 0.01  # of |f(x) - f(baseline)|
ABSOLUTE_TOLERANCE = 0.01  # log-odds
# The sum can be right by accident while single values still move; two successive maps cannot.
MAP_TOLERANCE = 0.05  # sum of |new - old| over sum of |new|


@dataclass(frozen=True, slots=True)
class PathAttribution:
    """Attribution of one input along one kind of path."""

    values: Tensor  # shape of the input, float64
    difference: float  # f(x) - f(baseline)
    error: float  # |sum of values - difference|
    nodes: int
    converged: bool
    change: float | None  # `map_change` from the rule before; None = there was none


def silent(_fraction: float) -> None:
    """Nobody wants to be told."""


def gauss_legendre(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights on 0..1; exact for polynomials up to degree 2 * count - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (0.5 * (nodes + 1.0)).tolist(), (0.5 * weights).tolist()


def rule(count: int) -> tuple[Sequence[float], Sequence[float]]:
    """The nested rule of that many nodes where there is one, else Gauss-Legendre."""
    return nested_rule(count) if count in NESTED_COUNTS else gauss_legendre(count)


def sum_is_right(error: float, difference: float) -> bool:
    """Error at most 1 % of the difference or 0.01 log-odds, whichever is larger."""
    return error <= max(RELATIVE_TOLERANCE * abs(difference), ABSOLUTE_TOLERANCE)


def map_change(new: Tensor, old: Tensor | None) -> float | None:
    """Sum of |new - old| over the sum of |new|; None where there is no old map."""
    if old is None:
        return None
    total = float(new.abs().sum())
    return float((new - old).abs().sum()) / total if total > 0 else 0.0


def converged(error: float, difference: float, change: float | None) -> bool:
    """The rule: the sum is right, and two successive maps differ by 5 % at most."""
    return sum_is_right(error, difference) and change is not None and change <= MAP_TOLERANCE


def gradient_of(score: Score, inputs: Tensor) -> Tensor:
    """Gradient of a scalar score at `inputs`, same shape."""
    at = inputs.detach().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(score(at), at)
    return gradient


@dataclass(frozen=True, slots=True)
class Batched:
    """Several nodes of a path at once, for devices that one node leaves idle.

    Exact but for rounding: the last bits depend on `nodes`, so it is asked for, never assumed.
    """

    scores: Scores
    nodes: int  # at once


def path_integral(
    score: Score,
    inputs: Tensor,
    baseline: Tensor,
    nodes: int,
    batched: Batched | None = None,
    *,
    kept: dict[float, Tensor] | None = None,
    told: Told = silent,
) -> Tensor:
    """(x - baseline) times the mean gradient along the straight path, float64.

    Node by node in a fixed order, so the bits depend neither on a batch nor on free memory;
    unless `batched` is given. Gradients are taken from `kept` where it has them, and put there;
    `told` may raise to cancel between nodes.
    """
    step = inputs - baseline
    kept = {} if kept is None else kept
    places, weights = rule(nodes)
    fresh = [place for place in places if place not in kept]
    at_once = 1 if batched is None else batched.nodes
    for start in range(0, len(fresh), at_once):
        told(start / len(fresh))
        some = fresh[start : start + at_once]
        if batched is None:
            kept[some[0]] = gradient_of(score, baseline + some[0] * step)
            continue
        points = torch.stack([baseline + place * step for place in some])
        gradients = gradient_of(partial(_summed, batched.scores), points)
        kept.update(zip(some, gradients, strict=True))
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=_double_device(inputs))
    for place, weight in zip(places, weights, strict=True):
        total += weight * kept[place].to(total.device, torch.float64)
    return total * step.to(total.device, torch.float64)


def _summed(scores: Scores, points: Tensor) -> Tensor:
    return scores(points).sum()


def integrated_gradients(
    score: Score,
    inputs: Tensor,
    baselines: Tensor,
    *,
    node_counts: tuple[int, ...] = NODE_COUNTS,
    told: Told = silent,
    batched: Batched | None = None,
) -> PathAttribution:
    """Integrated gradients from one or more baselines, with more nodes until it has converged.

    Parameters
    ----------
    score
        Differentiable scalar function.
    inputs
        Any shape.
    baselines
        (baseline, *inputs.shape); the answer is the mean over them.
    node_counts
        Tried in this order.
    told
        Told the fraction done; may raise to cancel.
    batched
        The same score for several inputs at once, where the device has room; None = one by one.
    """
    with torch.no_grad():
        top = float(score(inputs))
        bottoms = [float(score(baseline)) for baseline in baselines]
    difference = top - float(np.mean(bottoms))
    found = None
    kept: list[dict[float, Tensor]] = [{} for _ in baselines]
    for nodes in node_counts:
        parts = []
        for index, baseline in enumerate(baselines):

            def told_path(share: float, index: int = index) -> None:
                told((index + share) / len(baselines))

            told_path(0.0)
            parts.append(
                path_integral(
                    score, inputs, baseline, nodes, batched, kept=kept[index], told=told_path
                )
            )
        values = torch.stack(parts).mean(dim=0)
        error = abs(float(values.sum()) - difference)
        change = map_change(values, None if found is None else found.values)
        done = converged(error, difference, change)
        found = PathAttribution(values, difference, error, nodes, done, change)
        if done:
            break
    assert found is not None
    return found


def _double_device(tensor: Tensor) -> torch.device:
    """Apple's MPS has no float64: sums are kept on the CPU there."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device
