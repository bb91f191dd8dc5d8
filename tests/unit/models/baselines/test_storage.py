"""A stored rival is read strictly: kind, settings, names, shapes, types, finite numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.core.errors import ModelError
from app.models.baselines import load_rival
from app.models.baselines.majority import Majority
from app.models.baselines.pearson import PearsonLinear
from tests.unit.models.baselines.planted import cohort, make


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "rival.safetensors"
    cohort(16, 0).fit(make("pearson-ridge")).save(path)
    return path


def _header(path: Path) -> dict:
    with safe_open(str(path), framework="pt") as handle:
        return json.loads(handle.metadata()["rival"])


def _rewrite(path: Path, *, header=None, tensors=None, metadata=None) -> None:
    arrays = load_file(str(path)) | (tensors or {})
    record = _header(path) | (header or {})
    arrays = {key: value for key, value in arrays.items() if value is not None}
    save_file(arrays, str(path), metadata or {"rival": json.dumps(record)})


def test_that_settings_are_json_and_arrays_are_plain(stored):
    header = _header(stored)
    assert header["kind"] == "pearson"
    assert header["settings"] == {"classifier": "ridge", "parcels": 8}
    assert set(load_file(str(stored))) == {"linear.mean", "linear.weights", "linear.bias"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"header": {"kind": "forest"}}, "model.kind"),
        ({"header": {"format": 2}}, "model.settings"),
        ({"header": {"format": "1"}}, "model.settings"),
        ({"header": {"more": 1}}, "model.settings"),
        ({"header": {"settings": {"classifier": "ridge"}}}, "model.shape"),
        ({"header": {"settings": {"classifier": "forest", "parcels": 8}}}, "model.settings"),
        ({"header": {"settings": {"classifier": "ridge", "parcels": "8"}}}, "model.settings"),
        ({"header": {"settings": {"classifier": "ridge", "parcels": 8, "x": 1}}}, "model.settings"),
        ({"header": {"settings": {"classifier": "ridge", "parcels": 9}}}, "model.shape"),
        ({"metadata": {"format": "pt"}}, "model.settings"),
        ({"metadata": {"rival": "not json"}}, "model.settings"),
        ({"tensors": {"linear.bias": None}}, "model.keys"),
        ({"tensors": {"extra": torch.zeros(1)}}, "model.keys"),
        ({"tensors": {"linear.bias": torch.zeros(1)}}, "model.dtype"),
        ({"tensors": {"linear.bias": torch.zeros(2, dtype=torch.float64)}}, "model.shape"),
        (
            {"tensors": {"linear.bias": torch.tensor([torch.nan], dtype=torch.float64)}},
            "model.not_finite",
        ),
    ],
)
def test_that_anything_that_does_not_fit_is_refused(stored, change, code):
    _rewrite(stored, **change)
    with pytest.raises(ModelError) as caught:
        load_rival(stored)
    assert caught.value.code == code
    assert caught.value.hint


def test_that_another_kind_and_damaged_files_are_refused(stored, tmp_path):
    with pytest.raises(ModelError, match="holds a 'pearson' model, not a 'majority' model"):
        Majority.load(stored)
    stored.write_bytes(stored.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged"):
        PearsonLinear.load(stored)
    with pytest.raises(ModelError, match="missing"):
        load_rival(tmp_path / "none.safetensors")


def test_that_a_folder_that_is_not_there_leaves_nothing(tmp_path):
    model = cohort(16, 0).fit(make("majority"))
    with pytest.raises(Exception, match="No such file"):
        model.save(tmp_path / "none" / "rival.safetensors")
    assert not list(tmp_path.iterdir())
