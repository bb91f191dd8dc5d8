"""Integrated gradients along straight paths, with Gauss-Legendre nodes and an own error.

Sundararajan, Taly and Yan 2017 (arXiv 1703.01365): attribution = (x - baseline) times the mean
gradient along the path; the attributions sum to f(x) - f(baseline), and how far they miss it is
the numerical error that is reported. Expected gradients (Erion et al. 2021, arXiv 1906.10670)
average this over reference inputs. Everything here is a pure function over callables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]  # inputs -> scalar log-odds
Scores = Callable[[Tensor], Tensor]  # (batch, *inputs) -> (batch,) log-odds
Told = Callable[[float], None]  # fraction done, 0..1

NODE_COUNTS = (8, 16, 32, 64)
RELATIVE_TOLERANCE = 0.01  # of |f(x) - f(baseline)|
ABSOLUTE_TOLERANCE = 0.01  # log-odds


@dataclass(frozen=True, slots=True)
class PathAttribution:
    """Attribution of one input along one kind of path."""

    values: Tensor  # shape of the input, float64
    difference: float  # f(x) - f(baseline)
    error: float  # |sum of values - difference|
    nodes: int
    converged: bool


def silent(_fraction: float) -> None:
    """Nobody wants to be told."""


def gauss_legendre(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights on 0..1; exact for polynomials up to degree 2 * count - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (0.5 * (nodes + 1.0)).tolist(), (0.5 * weights).tolist()


def converged(error: float, difference: float) -> bool:
    """The rule: error at most 1 % of the difference or 0.01 log-odds, whichever is larger."""
    return error <= max(RELATIVE_TOLERANCE * abs(difference), ABSOLUTE_TOLERANCE)


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
    score: Score, inputs: Tensor, baseline: Tensor, nodes: int, batched: Batched | None = None
) -> Tensor:
    """(x - baseline) times the mean gradient along the straight path, float64.

    Node by node in a fixed order, so the bits depend neither on a batch nor on free memory;
    unless `batched` is given.
    """
    step = inputs - baseline
    if batched is not None:
        return _batched_integral(batched, step, baseline, nodes)
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=_double_device(inputs))
    for place, weight in zip(*gauss_legendre(nodes), strict=True):
        gradient = gradient_of(score, baseline + place * step)
        total += weight * gradient.to(total.device, torch.float64)
    return total * step.to(total.device, torch.float64)


def _batched_integral(batched: Batched, step: Tensor, baseline: Tensor, nodes: int) -> Tensor:
    total = torch.zeros(step.shape, dtype=torch.float64, device=_double_device(step))
    places, weights = gauss_legendre(nodes)
    for start in range(0, nodes, batched.nodes):
        chunk = slice(start, start + batched.nodes)
        points = torch.stack([baseline + place * step for place in places[chunk]])
        gradients = gradient_of(lambda at: batched.scores(at).sum(), points)
        for gradient, weight in zip(gradients, weights[chunk], strict=True):
            total += weight * gradient.to(total.device, torch.float64)
    return total * step.to(total.device, torch.float64)


def integrated_gradients(
    score: Score,
    inputs: Tensor,
    baselines: Tensor,
    *,
    node_counts: tuple[int, ...] = NODE_COUNTS,
    told: Told = silent,
    batched: Batched | None = None,
) -> PathAttribution:
    """Integrated gradients from one or more baselines, more nodes until the sum is right.

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
    for nodes in node_counts:
        parts = []
        for index, baseline in enumerate(baselines):
            told(index / len(baselines))
            parts.append(path_integral(score, inputs, baseline, nodes, batched))
        values = torch.stack(parts).mean(dim=0)
        error = abs(float(values.sum()) - difference)
        found = PathAttribution(values, difference, error, nodes, converged(error, difference))
        if found.converged:
            break
    assert found is not None
    return found


def _double_device(tensor: Tensor) -> torch.device:
    """Apple's MPS has no float64: sums are kept on the CPU there."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device
