"""Kinds of connectivity, as differentiable functions of one correlation matrix.

All kinds start from the Pearson matrix R of a scan's good frames (the cohort's and the recipe's
one connectivity array), so that gradients reach the matrix and, through `correlation_of`, the
series:

* ``pearson``: Fisher z, ``artanh(R_ij)``, clipped at |R| = 0.999;
* ``partial``: R is shrunk towards the identity, ``R_s = (1 - s) R + s I`` (Schaefer and
  Strimmer 2005, doi 10.2202/1544-6115.1175), inverted to P, then
  ``-P_ij / sqrt(P_ii P_jj)`` and Fisher z;
* ``tangent``: ``log(G^-1/2 R_s G^-1/2)`` with G the geometric mean of the training people's
  R_s (Varoquaux et al. 2010, doi 10.1007/978-3-642-15705-9_25); G minimises the sum of squared
  affine-invariant distances and is found by the fixed point of Pennec, Fillard and Ayache 2006
  (doi 10.1007/s11263-005-3222-z), ``G <- G^1/2 exp(mean log(G^-1/2 R_s G^-1/2)) G^1/2``;
* ``gram``: the matrix as it is (faithful mode).

The diagonal of every answer but ``gram`` is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.models.features import Z_LIMIT

KINDS = ("pearson", "partial", "tangent", "gram")
EIGENVALUE_FLOOR = 1e-4  # of R_s; only a matrix with filled rows can fall below
MEAN_TOLERANCE = 1e-7
MEAN_ITERATIONS = 50


def without_diagonal(matrix: Tensor) -> Tensor:
    """The matrix with zeros on its diagonal, (…, parcel, parcel)."""
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return matrix * (1.0 - eye)


def shrunk(correlation: Tensor, shrinkage: float) -> Tensor:
    """``(1 - s) R + s I`` with the diagonal of R taken as 1, symmetric."""
    eye = torch.eye(correlation.shape[-1], dtype=correlation.dtype, device=correlation.device)
    both = 0.5 * (correlation + correlation.transpose(-1, -2))
    return (1.0 - shrinkage) * (both * (1.0 - eye) + eye) + shrinkage * eye


def fisher_z(correlation: Tensor) -> Tensor:
    """Inverse hyperbolic tangent, clipped at `Z_LIMIT`, diagonal 0."""
    return torch.atanh(without_diagonal(correlation).clamp(-Z_LIMIT, Z_LIMIT))


def partial_correlation(correlation: Tensor, shrinkage: float) -> Tensor:
    """Correlation of each pair given all other parcels, diagonal 0, (parcel, parcel)."""
    precision = torch.linalg.inv(shrunk(correlation, shrinkage))
    scale = torch.diagonal(precision, dim1=-2, dim2=-1).rsqrt()
    answer: Tensor = -precision * scale[..., :, None] * scale[..., None, :]
    return without_diagonal(answer)


class _SymmetricLogarithm(torch.autograd.Function):
    """Matrix logarithm whose gradient stays finite at equal eigenvalues.

    Derivative by Daleckii and Krein: in the eigenbasis, entry (i, j) is multiplied by
    ``(log a_i - log a_j) / (a_i - a_j)``, or ``1 / a_i`` where the two are equal.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        kept = values.clamp_min(EIGENVALUE_FLOOR)
        ctx.save_for_backward(values, kept, vectors)
        answer: Tensor = (vectors * kept.log()) @ vectors.T
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        values, kept, vectors = ctx.saved_tensors
        step = values[:, None] - values[None, :]
        level = 0.5 * (kept[:, None] + kept[None, :])
        near = step.abs() <= 1e-7 * level
        safe = torch.where(near, torch.ones_like(step), step)
        slope = (kept.log()[:, None] - kept.log()[None, :]) / safe
        floored = values < EIGENVALUE_FLOOR
        at_equal = torch.where(floored[:, None] & floored[None, :], 0.0, 1.0) / level
        slope = torch.where(near, at_equal, slope)
        inner = vectors.T @ (0.5 * (gradients[0] + gradients[0].T)) @ vectors
        answer: Tensor = vectors @ (slope * inner) @ vectors.T
        return answer


def symmetric_logarithm(matrix: Tensor) -> Tensor:
    """Logarithm of a symmetric positive definite matrix, (parcel, parcel), differentiable."""
    answer: Tensor = _SymmetricLogarithm.apply(matrix)  # type: ignore[no-untyped-call]
    return answer


def tangent(correlation: Tensor, shrinkage: float, whitening: Tensor) -> Tensor:
    """Displacement from the training people's mean, diagonal kept, (parcel, parcel).

    `whitening` is the inverse square root of the mean, from `inverse_root`.
    """
    return symmetric_logarithm(whitening @ shrunk(correlation, shrinkage) @ whitening)


def connectivity_input(
    kind: str, matrix: Tensor, shrinkage: float = 0.0, whitening: Tensor | None = None
) -> Tensor:
    """What the connectivity encoder sees of one person's matrix, float32.

    Parameters
    ----------
    kind
        One of `KINDS`.
    matrix
        (parcel, parcel) correlation, finite (missing rows already filled); the Gram matrix for
        ``gram``. Computed in float64 inside (on devices that have it).
    shrinkage, whitening
        As fitted on the training people.
    """
    if kind == "gram":
        return matrix
    exact = matrix if matrix.device.type == "mps" else matrix.double()
    if kind == "pearson":
        answer = fisher_z(exact)
    elif kind == "partial":
        answer = fisher_z(partial_correlation(exact, shrinkage))
    elif kind == "tangent":
        if whitening is None:
            raise ValueError("tangent connectivity needs the reference of the training people")
        answer = without_diagonal(tangent(exact, shrinkage, whitening.to(exact.dtype)))
    else:
        raise ValueError(f"unknown connectivity '{kind}'")
    return answer.float()


# ------------------------------------------------------------------ fitted on training people


def mean_matrix(matrices: Iterable[Floats]) -> Floats:
    """Mean over people of the pairs that they have, float64, diagonal 0; 0 where nobody has."""
    total: Floats | None = None
    for matrix in matrices:
        known = np.isfinite(matrix)
        if total is None:
            total, count = np.zeros(matrix.shape), np.zeros(matrix.shape)
        total = total + np.where(known, matrix, 0.0)
        count = count + known
    if total is None:
        raise ValueError("no matrices")
    mean = total / np.maximum(count, 1)
    np.fill_diagonal(mean, 0.0)
    return np.asarray(mean)


def filled(matrix: Floats, mean: Floats) -> tuple[Floats, int]:
    """A matrix without gaps, diagonal 0, and how many parcels had none of their own values.

    Missing parcels take their rows from the training people's mean.

    Raises
    ------
    ModelError
        ``model.connectivity`` when single pairs of present parcels are missing.
    """
    known = np.isfinite(matrix) | np.eye(len(matrix), dtype=bool)
    present = (known & ~np.eye(len(matrix), dtype=bool)).any(axis=1)
    if not known[np.ix_(present, present)].all():
        raise ModelError(
            "The connectivity matrix lacks single pairs of parcels that are otherwise there.",
            "Compute it again; only whole parcels may be missing.",
            code="model.connectivity",
        )
    whole = np.where(known, matrix, mean)
    np.fill_diagonal(whole, 0.0)
    return whole, int((~present).sum())


def mean_shrinkage(series: Sequence[Floats]) -> float:
    """Mean Ledoit-Wolf shrinkage of the training people's standardised series.

    Ledoit and Wolf 2004 (doi 10.1016/S0047-259X(03)00096-4) assume independent frames; frames
    of fMRI are correlated, so the value errs towards too little shrinkage.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    found = []
    for one in series:
        used = one[:, np.isfinite(one).all(axis=0)]
        used = used[:, used.std(axis=0) > 0].astype(np.float64)
        found.append(float(ledoit_wolf_shrinkage((used - used.mean(0)) / used.std(0))))
    return float(np.mean(found))


def _function_of(matrix: Floats, function: Any) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * function(np.maximum(values, EIGENVALUE_FLOOR))) @ vectors.T)


def inverse_root(matrix: Floats) -> Floats:
    """Inverse square root of a symmetric positive definite matrix."""
    return _function_of(matrix, lambda values: 1.0 / np.sqrt(values))


def geometric_mean(matrices: Sequence[Floats], tolerance: float = MEAN_TOLERANCE) -> Floats:
    """Geometric mean of symmetric positive definite matrices, float64.

    `tolerance` is the root mean square entry of the mean tangent vector, which is 0 at the mean.

    Raises
    ------
    ModelError
        ``model.tangent`` when it does not settle within `MEAN_ITERATIONS`.
    """
    mean = np.mean(np.asarray(matrices, np.float64), axis=0)
    step, last = 1.0, np.inf
    for _ in range(MEAN_ITERATIONS):
        whitening, root = inverse_root(mean), _function_of(mean, np.sqrt)
        direction = np.mean(
            [_function_of(whitening @ one @ whitening, np.log) for one in matrices], axis=0
        )
        size = float(np.linalg.norm(direction)) / np.sqrt(direction.size)
        if size <= tolerance:
            return np.asarray(mean)
        step, last = (step if size < last else 0.5 * step), size
        values, vectors = np.linalg.eigh(step * direction)
        mean = root @ ((vectors * np.exp(values)) @ vectors.T) @ root
        mean = 0.5 * (mean + mean.T)
    raise ModelError(
        "The mean connectivity of the training people did not settle.",
        "Use more shrinkage, or Pearson connectivity.",
        code="model.tangent",
    )
