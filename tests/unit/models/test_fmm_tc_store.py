"""One file: what is in it, what is never in it, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.core.errors import ModelError
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_store import METADATA_KEY
from app.models.series_encoder import EncoderSource
from tests.unit.models.fmm_tc_people import ask, fit, network, people, source, variant

GROUP = people(24)


@pytest.fixture(scope="module")
def third_party():
    return fit(network(variant(), source(third_party=True)), GROUP)


@pytest.fixture(scope="module")
def own():
    return fit(network(variant(branches=("series",))), GROUP)


def _facts(path):
    with safe_open(str(path), framework="pt") as archive:
        return json.loads(archive.metadata()[METADATA_KEY])


def _changed(model, path, *, tensors=None, facts=None):
    """The model's file with some tensors or settings changed (None = taken out)."""
    model.save(path)
    stored, told = load_file(str(path)), _facts(path)
    for key, value in (tensors or {}).items():
        if value is None:
            del stored[key]
        else:
            stored[key] = value
    for key, value in (facts or {}).items():
        place = told
        *outer, last = key.split(".")
        for part in outer:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    save_file(stored, str(path), metadata={METADATA_KEY: json.dumps(told)})
    return path


def test_that_third_party_weights_are_named_and_never_copied(third_party, tmp_path):
    path = tmp_path / "m.safetensors"
    third_party.save(path)
    keys = set(load_file(str(path)))
    assert not any(key.startswith("encoder.") for key in keys)
    assert "member.0.fusion.linear.weight" in keys
    assert _facts(path)["encoder"]["sha256"] == "ab" * 32
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(path)
    assert caught.value.code == "model.encoder_missing"
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(path, encoder=source())
    assert caught.value.code == "model.encoder_hash"
    loaded = FmmTcNetwork.load(path, encoder=source(third_party=True))
    assert (ask(loaded, GROUP) == ask(third_party, GROUP)).all()


def test_that_no_persons_series_is_in_the_file(own, tmp_path):
    own.save(tmp_path / "m.safetensors")
    frames = {len(one) for one in GROUP.series}
    people_count = len(GROUP.labels)
    for key, value in load_file(str(tmp_path / "m.safetensors")).items():
        assert people_count not in value.shape or key == "token_orders", key
        assert not frames & set(value.shape), key


def test_that_a_restarted_third_party_encoder_is_ours(tmp_path):
    model = fit(network(variant(foundation="random"), source(third_party=True)), GROUP)
    path = tmp_path / "m.safetensors"
    model.save(path)
    loaded = FmmTcNetwork.load(path)
    assert (ask(loaded, GROUP) == ask(model, GROUP)).all()


def test_that_an_encoder_of_another_family_must_be_given(tmp_path):
    plain = source()
    other = EncoderSource(plain.encoder, plain.sha256, False, {})
    model = fit(network(variant(), other), GROUP)
    path = tmp_path / "m.safetensors"
    model.save(path)
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(path)
    assert caught.value.code == "model.encoder_missing"
    loaded = FmmTcNetwork.load(path, encoder=other)
    assert (ask(loaded, GROUP) == ask(model, GROUP)).all()


@pytest.mark.parametrize(
    ("tensors", "facts", "code"),
    [
        ({"member.0.fusion.linear.weight": None}, {}, "model.keys"),
        ({"member.0.extra": torch.zeros(1)}, {}, "model.keys"),
        ({"member.1.fusion.linear.bias": torch.zeros(3)}, {}, "model.shape"),
        ({"member.0.fusion.linear.weight": torch.full((1, 16), torch.nan)}, {}, "model.not_finite"),
        ({"encoder.model.vit.layernorm.weight": torch.zeros(16)}, {}, "model.encoder_hash"),
        ({"token_orders": torch.zeros(1, 24, dtype=torch.int32)}, {}, "model.order"),
        ({}, {"format": 9}, "model.damaged"),
        ({"token_orders": torch.arange(23, dtype=torch.int32)[None]}, {}, "model.shape"),
        ({}, {"encoder.build.networks": [0, 1]}, "model.damaged"),
        ({}, {"parcels": 11}, "model.damaged"),
        ({}, {"parcels": 10**9}, "model.damaged"),
        ({}, {"encoder.build.config.hidden_size": 10**8}, "model.damaged"),
        ({}, {"settings.training.members": 10**6}, "model.settings"),
        ({}, {"settings.training.epochs": "many"}, "model.settings"),
        ({}, {"record": {}}, "model.damaged"),
        ({}, {"encoder": None}, "model.damaged"),
        ({}, {"encoder.build.config.hidden_size": 17}, "model.damaged"),
        ({}, {"settings.fusion": "none"}, "model.settings"),
        ({}, {"settings.fusion": None}, "model.settings"),
        ({}, {"settings.new": 1}, "model.settings"),
        ({}, {"settings.training.epochs": None}, "model.settings"),
        ({}, {"settings.branches": ["connectivity"]}, "model.keys"),
    ],
    ids=str,
)
def test_that_whatever_does_not_fit_is_refused(own, tmp_path, tensors, facts, code):
    path = _changed(own, tmp_path / "m.safetensors", tensors=tensors, facts=facts)
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(path)
    assert caught.value.code == code


def test_that_a_model_too_large_to_be_read_is_not_written(own, tmp_path, monkeypatch):
    monkeypatch.setattr("app.models.fmm_tc_store.MAX_FILE_BYTES", 2**20 + 100)
    with pytest.raises(ModelError) as caught:
        own.save(tmp_path / "m.safetensors")
    assert caught.value.code == "model.too_large"
    assert not list(tmp_path.glob("m.*"))


def test_that_files_without_settings_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, str(tmp_path / "m.safetensors"))
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(tmp_path / "m.safetensors")
    assert caught.value.code == "model.damaged"


def test_that_state_and_from_state_are_a_round_trip(own):
    settings, tensors = own.state()
    again = FmmTcNetwork.from_state(json.loads(json.dumps(settings)), tensors)
    assert (ask(again, GROUP) == ask(own, GROUP)).all()
