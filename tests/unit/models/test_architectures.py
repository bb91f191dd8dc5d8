"""Any fitted response model as a bundle: loaded, gated, asked, explained, exported."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.attribution.explain import explain
from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.core.provenance import file_sha256
from app.core.results import Outcome
from app.models import architectures
from app.models.architectures import ARCHITECTURES, find_architecture, response
from app.models.archive import export_bundle, import_bundle, remove_bundle
from app.models.bundle import load_bundle
from app.models.card import read_card
from app.models.fitted_response import FittedResponse, statistics_shapes
from app.models.installed import user_models_path
from app.models.interface import DifferentiableResponse, ResponseModel
from tests.unit.models.conftest import NETWORK_NAMES, PARCELS, MiniScan, mini_card, mini_scan


class EdgeSum:
    """A model that is right by hand: log-odds = 2 * mean of all correlations - 0.1."""

    def __init__(self, slope: float = 2.0) -> None:
        self.slope = torch.tensor([slope])

    def fit(
        self, series: Sequence[Floats], connectivity: Floats, covariates: Floats, labels: Bools,
        **_others: Any,
    ) -> Self:  # fmt: skip
        return self

    def predict_log_odds(
        self, series: Sequence[Floats], connectivity: Floats, covariates: Floats, **_others: Any
    ) -> Floats:
        filled = np.where(np.isfinite(connectivity), connectivity, 0.0)
        return np.array([float(self.slope) * one.mean() - 0.1 for one in filled])

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        return self.slope[0] * connectivity.mean() - 0.1

    def save(self, path: Path) -> None:
        save_file({"slope": self.slope}, str(path))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(float(load_file(str(path))["slope"][0]))


MODULE = "edge_sum_of_this_test"
ENTRY = response("edge-sum", f"{MODULE}:EdgeSum", "mean correlation", "connectivity")


@pytest.fixture
def edge_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(architectures, "ARCHITECTURES", (*ARCHITECTURES, ENTRY))
    module = types.ModuleType(MODULE)
    module.EdgeSum = EdgeSum  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    return write_edge_sum(user_models_path() / "edges")


def write_edge_sum(folder: Path) -> Path:
    folder.mkdir(parents=True)
    card = mini_card()
    del card["encoder"]
    card["model"] |= {"id": "edges", "architecture": "edge-sum"}
    card["contract"]["normalisation"] = "percent"
    card["uncertainty"] = {"method": "refits", "log_odds_sd": 0.5}
    card["sizes"] = {"networks": 3, "novelty_features": 6, "novelty_quantiles": 11}
    card["references"]["kind"] = "none"
    EdgeSum().save(folder / "weights.safetensors")
    card["weights"]["sha256"] = file_sha256(folder / "weights.safetensors")
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    statistics = {
        key: torch.zeros(shape) for key, shape in statistics_shapes(read_card(folder)).items()
    }
    statistics["network_of_parcel"] = torch.tensor(["ABC".index(n) for n in NETWORK_NAMES])
    statistics["mean_correlation"] = 0.3 * (1 - torch.eye(PARCELS))
    statistics["novelty.precision"] = torch.eye(6)
    statistics["novelty.quantiles"] = torch.linspace(0, 100, 11)
    save_file(statistics, str(folder / "statistics.safetensors"))
    card["weights"]["statistics_sha256"] = file_sha256(folder / "statistics.safetensors")
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    fitted = FittedResponse(read_card(folder), statistics, EdgeSum(), "connectivity")
    card["canary"]["log_odds"] = fitted.canary()
    (folder / "card.toml").write_text(tomli_w.dumps(card))
    return folder


def test_that_the_toy_follows_the_interface() -> None:
    assert isinstance(EdgeSum(), ResponseModel)
    assert isinstance(EdgeSum(), DifferentiableResponse)


def test_that_any_response_model_answers_as_a_bundle(edge_sum: Path, scan: MiniScan) -> None:
    answer = scan.asked(load_bundle("edges"))
    expected = 2.0 * scan.connectome.matrix.mean() - 0.1
    assert answer.log_odds == pytest.approx(expected)
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-(0.8 * expected - 0.1))))
    low, high = (1 / (1 + np.exp(-(0.8 * (expected + s) - 0.1))) for s in (-0.98, 0.98))
    assert answer.interval == pytest.approx((low, high), abs=1e-4)
    assert answer.outcome in (Outcome.RESULT, Outcome.INCONCLUSIVE)
    assert answer.contributions is None
    assert 0 <= answer.novelty.percentile <= 99
    assert answer.covariate_probability == 0.5


def test_that_the_same_gates_hold(edge_sum: Path) -> None:
    bundle = load_bundle("edges")
    assert mini_scan(simulated=False).asked(bundle).probability is None
    assert mini_scan(frames=39).asked(bundle).probability is None


def test_that_it_is_explained_by_its_one_input_exactly(edge_sum: Path, scan: MiniScan) -> None:
    found, device, notes = load_bundle("edges").explain_with_notes(
        explain, scan.signals, scan.connectome
    )
    assert (device, notes) == ("cpu", ())
    assert found is not None
    assert found.branches.converged
    assert np.abs(found.branches.per_parcel_series).max() == 0.0
    moved = 2.0 * (scan.connectome.matrix - 0.3 * (1 - np.eye(PARCELS))).mean()
    assert found.branches.output_difference == pytest.approx(moved, abs=1e-5)
    assert found.branches.per_connection.sum() / 2 == pytest.approx(moved, abs=1e-5)


def test_that_a_model_of_both_inputs_stands_without_explanation(
    edge_sum: Path, scan: MiniScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = response("edge-sum", f"{MODULE}:EdgeSum", "mean correlation")
    monkeypatch.setattr(architectures, "ARCHITECTURES", (silent,))
    bundle = load_bundle(edge_sum)
    assert bundle.explain_with_notes(explain, scan.signals, scan.connectome)[0] is None
    with pytest.raises(ModelError) as caught:
        bundle.differentiable(scan.signals, scan.connectome)
    assert caught.value.code == "model.no_gradients"


def test_that_it_goes_out_and_comes_back_with_its_statistics(
    edge_sum: Path, tmp_path: Path, scan: MiniScan
) -> None:
    before = scan.asked(load_bundle("edges"))
    target = export_bundle("edges", tmp_path / "edges.nrmodel")
    remove_bundle("edges")
    assert import_bundle(target) == "edges"
    assert scan.asked(load_bundle("edges")).log_odds == before.log_odds


@pytest.mark.parametrize("name", ["weights.safetensors", "statistics.safetensors"])
def test_that_a_changed_file_is_refused(edge_sum: Path, name: str) -> None:
    content = bytearray((edge_sum / name).read_bytes())
    content[-1] ^= 1
    (edge_sum / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_bundle(edge_sum)
    assert caught.value.code == "model.hash"


def test_that_weights_changed_after_loading_are_not_read(edge_sum: Path) -> None:
    bundle = load_bundle(edge_sum)
    EdgeSum(3.0).save(edge_sum / "weights.safetensors")
    with pytest.raises(ModelError):
        bundle.scan_model()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sizes.novelty_features", 7, "must be 6"),
        ("sizes.networks", 0, "sizes.networks"),
        ("uncertainty.log_odds_sd", None, "log_odds_sd"),
        ("contract.normalisation", "percent_scaled", "contract.normalisation"),
        ("weights.statistics_sha256", None, "statistics_sha256"),
    ],
)
def test_that_what_it_needs_of_a_card_is_named(
    edge_sum: Path, field: str, value: Any, words: str
) -> None:
    import tomllib

    card = tomllib.loads((edge_sum / "card.toml").read_text())
    table, key = field.split(".")
    if value is None:
        del card[table][key]
    else:
        card[table][key] = value
    (edge_sum / "card.toml").write_text(tomli_w.dumps(card))
    with pytest.raises(ModelError, match=words):
        load_bundle(edge_sum)


def test_that_an_unknown_architecture_is_named_with_the_nearest(bundle_dir: Path) -> None:
    with pytest.raises(ModelError, match="known: edge-sum"):
        find_architecture(read_card(bundle_dir), (ENTRY,))
    names = [entry.name for entry in ARCHITECTURES]
    assert names[0] == "fmm-tc-network-statistics"
    assert len(set(names)) == len(names)
    for entry in ARCHITECTURES:
        assert entry.summary
        assert "cpu" in entry.devices
