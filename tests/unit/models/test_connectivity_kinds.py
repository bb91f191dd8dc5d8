"""Kinds of connectivity against nilearn, by hand, and by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import ShrunkCovariance, ledoit_wolf_shrinkage

from app.core.errors import ModelError
from app.models.connectivity_kinds import (
    connectivity_input,
    filled,
    geometric_mean,
    inverse_root,
    mean_matrix,
    mean_shrinkage,
    partial_correlation,
    shrunk,
    symmetric_logarithm,
    tangent,
)

SHRINKAGE = 0.15


def _series(people: int = 6, frames: int = 50, parcels: int = 7) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    mixing = rng.standard_normal((parcels, parcels)) / 2 + np.eye(parcels)
    found = [rng.standard_normal((frames, parcels)) @ mixing for _ in range(people)]
    return [(one - one.mean(0)) / one.std(0) for one in found]


def _nilearn(kind: str) -> ConnectivityMeasure:
    estimator = ShrunkCovariance(store_precision=False, shrinkage=SHRINKAGE)
    return ConnectivityMeasure(cov_estimator=estimator, kind=kind, standardize=False)


def _correlations() -> list[torch.Tensor]:
    return [torch.from_numpy(np.corrcoef(one.T)) for one in _series()]


def test_that_partial_correlation_is_nilearns():
    expected = _nilearn("partial correlation").fit_transform(_series())
    for matrix, wanted in zip(_correlations(), expected, strict=True):
        found = partial_correlation(matrix, SHRINKAGE).numpy()
        np.testing.assert_allclose(found, wanted * (1 - np.eye(7)), atol=1e-10)


def test_that_tangent_and_its_reference_are_nilearns():
    measure = _nilearn("tangent")
    expected = measure.fit_transform(_series())
    mean = geometric_mean([shrunk(one, SHRINKAGE).numpy() for one in _correlations()])
    np.testing.assert_allclose(mean, measure.mean_, atol=1e-6)
    whitening = torch.from_numpy(inverse_root(mean))
    for matrix, wanted in zip(_correlations(), expected, strict=True):
        np.testing.assert_allclose(tangent(matrix, SHRINKAGE, whitening), wanted, atol=1e-6)


def test_that_the_mean_of_commuting_matrices_is_the_geometric_one():
    found = geometric_mean([np.diag([1.0, 4.0]), np.diag([9.0, 1.0])])
    np.testing.assert_allclose(found, np.diag([3.0, 2.0]), atol=1e-6)


def test_that_tangent_vectors_of_the_training_people_sum_to_nothing():
    close = [shrunk(one, SHRINKAGE) for one in _correlations()]
    whitening = torch.from_numpy(inverse_root(geometric_mean([c.numpy() for c in close])))
    total = sum(tangent(one, SHRINKAGE, whitening) for one in _correlations())
    assert float(total.abs().max()) < 1e-5


@pytest.mark.parametrize("kind", ["pearson", "partial", "tangent"])
def test_that_gradients_agree_with_finite_differences(kind):
    matrix = _correlations()[0] * (1 - torch.eye(7))
    whitening = torch.from_numpy(inverse_root(shrunk(_correlations()[1], 0.2).numpy()))
    weights = torch.randn(7, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def score(one: torch.Tensor) -> torch.Tensor:
        if kind == "tangent":
            return (weights * tangent(one, SHRINKAGE, whitening)).sum()
        if kind == "partial":
            return (weights * partial_correlation(one, SHRINKAGE)).sum()
        return (weights * torch.atanh(one)).sum()

    at = matrix.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(at), at)
    for row, column in ((0, 3), (5, 2), (6, 6)):
        bump = torch.zeros_like(matrix)
        bump[row, column] = 1e-6
        slope = float(score(matrix + bump) - score(matrix - bump)) / 2e-6
        assert float(gradient[row, column]) == pytest.approx(slope, abs=1e-6)


def test_that_the_logarithm_of_equal_eigenvalues_has_a_finite_gradient():
    at = (2.0 * torch.eye(3, dtype=torch.float64)).requires_grad_(True)
    weights = torch.tensor([[1.0, 2.0, 0.0], [2.0, -1.0, 0.0], [0.0, 0.0, 3.0]]).double()
    (gradient,) = torch.autograd.grad((weights * symmetric_logarithm(at)).sum(), at)
    np.testing.assert_allclose(gradient, weights / 2.0)  # d log(a) = da / a


def test_that_the_encoder_sees_fisher_z_without_a_diagonal():
    matrix = torch.tensor([[1.0, 0.5, -0.2], [0.5, 1.0, 0.9999], [-0.2, 0.9999, 1.0]]).double()
    found = connectivity_input("pearson", matrix)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.diagonal(), 0.0)
    assert float(found[0, 1]) == pytest.approx(np.arctanh(0.5), abs=1e-6)
    assert float(found[1, 2]) == pytest.approx(np.arctanh(0.999), abs=1e-6)
    raw = torch.tensor([[4.0, 2.0], [2.0, 9.0]])
    assert connectivity_input("gram", raw) is raw
    with pytest.raises(ValueError, match="reference"):
        connectivity_input("tangent", matrix, 0.1)


def test_that_missing_parcels_take_the_training_mean_and_are_counted():
    first = np.array([[0.0, 0.4, 0.2], [0.4, 0.0, 0.6], [0.2, 0.6, 0.0]])
    second = first.copy()
    second[2] = second[:, 2] = np.nan
    mean = mean_matrix([first, second])
    np.testing.assert_allclose(mean, first)
    whole, missing = filled(second, mean)
    assert missing == 1
    np.testing.assert_allclose(whole, first)
    assert filled(first, mean)[1] == 0
    broken = first.copy()
    broken[0, 1] = np.nan
    with pytest.raises(ModelError) as caught:
        filled(broken, mean)
    assert caught.value.code == "model.connectivity"


def test_that_the_fitted_shrinkage_is_the_mean_of_ledoit_and_wolf():
    expected = np.mean([ledoit_wolf_shrinkage(one) for one in _series()])
    gappy = [one.copy() for one in _series()]
    assert mean_shrinkage(gappy) == pytest.approx(float(expected))
