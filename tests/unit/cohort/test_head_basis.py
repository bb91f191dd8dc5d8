"""One walk for all heads gives the very maps that each head's own walk gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.attribution.integrated_gradients import path_integral
from app.cohort.head_basis import ScanBasis, dual_rows, scan_basis
from app.cohort.logistic import fit_dual_logistic
from app.cohort.training import Block, fit_head, fused_kernel
from app.models.bundle import load_bundle
from app.models.differentiable import DifferentiableModel
from app.models.fmm_tc import FmmTc
from tests.unit.models.conftest import mini_scan, write_mini


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DifferentiableModel:
    bundle = load_bundle(write_mini(tmp_path_factory.mktemp("bundles") / "mini"))
    scan = mini_scan()
    return DifferentiableModel.of(
        FmmTc.from_tensors(bundle.card, bundle.tensors),
        scan.signals.cleaned,
        scan.signals.good_frames,
        scan.connectome.matrix,
        bundle.contract.series_scale_percent,
        "cpu",
    )


def test_that_the_basis_gives_the_delivered_heads_integrated_gradients(
    model: DifferentiableModel, tmp_path: Path
) -> None:
    head = model.model.tensors["head.series"].numpy()
    other = np.linspace(-1.0, 1.0, len(head), dtype=np.float32)
    basis = scan_basis(model, np.stack([head, other, head - other]), batch=2)
    expected = path_integral(model.series_log_odds, model.series, model.baseline_series, 8).sum(
        dim=0
    )
    np.testing.assert_allclose(basis.series[0], expected, atol=1e-6)
    np.testing.assert_allclose(basis.series[2], basis.series[0] - basis.series[1], atol=1e-6)

    values = path_integral(
        model.connectivity_log_odds, model.correlation, model.baseline_correlation, 8
    ).numpy()
    both = values + values.T
    np.fill_diagonal(both, 0.0)
    networks = model.model.tensors["network_of_parcel"].numpy()
    found = basis.connection_map(model.model.tensors["head.connectivity"].numpy(), networks)
    np.testing.assert_allclose(found, both, atol=1e-6)

    basis.save(tmp_path / "walk.npz")
    again = ScanBasis.read(tmp_path / "walk.npz")
    np.testing.assert_allclose(again.series, basis.series, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.npz"]


def test_that_a_head_is_a_sum_of_its_peoples_rows() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(30) % 3 == 0
    blocks = (
        Block("a", rng.standard_normal((30, 7)), np.arange(1.0, 8.0)),
        Block("b", 4.0 + rng.standard_normal((30, 5)), np.ones(5)),
    )
    head = fit_head(blocks, labels, (3.0, 0.5))
    alpha, _ = fit_dual_logistic(fused_kernel(blocks, (3.0, 0.5)), labels)
    for block, strength, weights in zip(blocks, (3.0, 0.5), head.weights, strict=True):
        np.testing.assert_allclose(strength * alpha @ dual_rows(block), weights, atol=1e-12)
