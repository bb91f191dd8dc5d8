"""Architectures of bundles: a readable table from a card's word to the code that builds the model.

To add one, write its module and add one entry to `ARCHITECTURES`. A model that follows
`app.models.interface.ResponseModel` needs one line: `response(name, class, summary, branch)`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.core.provenance import array_sha256, file_sha256
from app.models.answer import ScanModel
from app.models.brainlm_config import BrainLMConfig
from app.models.brainlm_vit_config import BrainLMVitConfig
from app.models.card import Card, card_error
from app.models.differentiable_normalisation import NAMES, READINGS
from app.models.fitted_response import FittedResponse, check_sizes, statistics_shapes
from app.models.fmm_tc import ENCODER, Sizes, expected_shapes
from app.models.interface import ResponseModel
from app.models.network_statistics import NetworkStatistics
from app.models.repetition_time import POLICIES
from app.models.series_encoder import FAMILY_VIT
from app.models.strict_loading import check_tensors

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one kind of model is checked and built.

    `build` gets the card, the tensors of the weights file (empty where the model reads its file
    itself) and of the statistics file, the weights' path and the device.
    """

    name: str
    summary: str
    own_file: bool  # the model reads weights.safetensors itself
    normalisations: tuple[str, ...]
    repetition_time_policies: tuple[str, ...]
    connectivity_kinds: tuple[str, ...]
    check: Callable[[Card, Tensors, Tensors], None]
    build: Callable[[Card, Tensors, Tensors, Path, torch.device], ScanModel]
    need_bytes: Callable[[Card, int], int]  # card, windows at a time
    devices: tuple[str, ...] = ("cuda", "mps", "cpu")


def _check_network_statistics(card: Card, weights: Tensors, _statistics: Tensors) -> None:
    Sizes.of(card)
    for field, value, encoder_value in (
        ("window_frames", card.contract.window_frames, card.encoder.num_timepoints_per_voxel),
        ("parcel_count", card.contract.parcel_count, card.encoder.num_brain_voxels),
    ):
        if value != encoder_value:
            raise card_error(f"contract.{field} is {value}, the encoder takes {encoder_value}")
    check_tensors(weights, expected_shapes(card))
    encoder = card.fields.encoder
    assert encoder is not None  # expected_shapes asked for it
    own = {key: weights[key] for key in sorted(weights) if key.startswith(ENCODER)}
    if array_sha256(*(value.numpy() for value in own.values())) != encoder.sha256:
        raise card_error("encoder.sha256 is not the hash of the encoder's arrays")


def _build_network_statistics(
    card: Card, weights: Tensors, _statistics: Tensors, _file: Path, device: torch.device
) -> ScanModel:
    return NetworkStatistics.build(card, weights, device)


def transformer_bytes(card: Card, batch: int) -> int:
    """Memory of an encoder's pass with gradients, estimated from its sizes."""
    return _pass_bytes(card.encoder, batch)


def _pass_bytes(config: BrainLMConfig | BrainLMVitConfig, batch: int) -> int:
    """Every layer keeps about ten activations of the model's width and two of the inner width for
    each token; weights are counted twice, and half is added for what a library holds back.
    """
    per_token = 10 * config.hidden_size + 2 * config.intermediate_size
    activations = 4 * (config.token_count + 1) * per_token * (config.num_hidden_layers + 1)
    width, inner = config.hidden_size, config.intermediate_size
    weights = 4 * config.num_hidden_layers * (4 * width * width + 2 * width * inner)
    return (3 * (batch * activations + 2 * weights)) // 2


def _network_bytes(card: Card, batch: int) -> int:
    """As `transformer_bytes` for either family; little where there is no encoder."""
    stated = card.fields.encoder
    if stated is None:
        return _small(card, batch)
    if stated.family != FAMILY_VIT:
        return _small(card, batch) + transformer_bytes(card, batch)
    try:
        config = BrainLMVitConfig.from_mapping(stated.config)
    except ValueError as error:
        raise card_error(f"encoder.config: {error}") from error
    return _small(card, batch) + _pass_bytes(config, batch)


def _check_response(card: Card, _weights: Tensors, statistics: Tensors) -> None:
    check_sizes(card)
    check_tensors(statistics, statistics_shapes(card))
    if card.fields.encoder is not None:
        _network_bytes(card, 1)  # sizes that no file can fill are refused here


def _small(_card: Card, _batch: int) -> int:
    return 64 << 20


def response(
    name: str,
    place: str,
    summary: str,
    branch: str = "",
    *,
    normalisations: tuple[str, ...] = ("percent",),
    policies: tuple[str, ...] = ("frames",),
    need_bytes: Callable[[Card, int], int] = _small,
    devices: tuple[str, ...] = ("cpu",),
) -> Architecture:
    """An entry for a class that follows `ResponseModel`.

    Parameters
    ----------
    name, summary
        As in the table.
    place
        "module:Class", whose `load` takes the path; or "module:function", which takes card, path
        and device and compares the model with its card.
    branch
        "series" or "connectivity" where the model looks at that input alone and has gradients,
        so that it can be explained; "" = as the model says (`ExplainedResponse`), or not.
    normalisations, policies, need_bytes, devices
        What the card may state; memory; where it computes.
    """

    def load(card: Card, weights: Path, device: str) -> ResponseModel:
        module, _, kind = place.partition(":")
        found: Any = getattr(importlib.import_module(module), kind)
        takes_path = isinstance(found, type)
        model: ResponseModel = found.load(weights) if takes_path else found(card, weights, device)
        return model

    def build(
        card: Card, _weights: Tensors, statistics: Tensors, file: Path, device: torch.device
    ) -> ScanModel:
        if file_sha256(file) != card.fields.weights.sha256:  # it may have changed since
            raise card_error("weights.sha256 is not the hash of the weights file")
        return FittedResponse.build(load, card, statistics, file, branch, str(device))

    return Architecture(
        name=name,
        summary=summary,
        own_file=True,
        normalisations=normalisations,
        repetition_time_policies=policies,
        connectivity_kinds=("pearson",),
        check=_check_response,
        build=build,
        need_bytes=need_bytes,
        devices=devices,
    )


# Entries of `BASELINES` that answer from what an analysis measures, and the input that each
# looks at. Covariates alone and the base rate stand beside every answer anyway; volumes are not
# measured.
RIVALS: tuple[tuple[str, str], ...] = (
    ("pearson-logistic", "connectivity"),
    ("pearson-ridge", "connectivity"),
    ("pearson-svm", "connectivity"),
    ("tangent-logistic", "connectivity"),
    ("tangent-ridge", "connectivity"),
    ("tangent-svm", "connectivity"),
    ("connectome-predictive", "connectivity"),
    ("encoder-logistic", "series"),
    ("brainnetcnn", "connectivity"),
    ("brain-network-transformer", "connectivity"),
    ("series-convolutional", "series"),
    ("series-recurrent", "series"),
    ("series-transformer", "series"),
)


def _rival(name: str, branch: str) -> Architecture:
    reads_encoder = name == "encoder-logistic"
    return response(
        name,
        "app.models.bundled_models:load_named_rival",
        f"rival '{name}' on {branch}, CPU only",
        branch,
        normalisations=READINGS if reads_encoder else ("percent",),
        policies=POLICIES if reads_encoder else ("frames",),
        need_bytes=_network_bytes if reads_encoder else _small,
    )


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        name="fmm-tc-network-statistics",
        summary="frozen BrainLM-style encoder and connectivity, both pooled by network, one "
        "linear head",
        own_file=False,
        normalisations=("percent_scaled",),
        repetition_time_policies=("frames",),
        connectivity_kinds=("pearson",),
        check=_check_network_statistics,
        build=_build_network_statistics,
        need_bytes=transformer_bytes,
    ),
    response(
        "fmm-tc-network",
        "app.models.bundled_models:load_network",
        "FMM_TC trained on people, corrected: any encoder or none, any connectivity and fusion",
        normalisations=NAMES,
        policies=POLICIES,
        need_bytes=_network_bytes,
    ),
    *(_rival(name, branch) for name, branch in RIVALS),
)


def find_architecture(card: Card, table: tuple[Architecture, ...] | None = None) -> Architecture:
    """The entry that a card names, after what it cannot do was refused.

    Raises
    ------
    ModelError
        ``model.card``, naming the field: an architecture, normalisation, TR policy or kind of
        connectivity that this program does not have.
    """
    table = ARCHITECTURES if table is None else table
    wanted, contract = card.fields.model.architecture, card.contract
    found = next((entry for entry in table if entry.name == wanted), None)
    if found is None:
        names = [entry.name for entry in table]
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(names)})"
        raise card_error(f"model.architecture '{wanted}' is unknown{hint}")
    for field, value, able in (
        ("contract.normalisation", contract.normalisation, found.normalisations),
        (
            "contract.repetition_time_policy",
            contract.repetition_time_policy,
            found.repetition_time_policies,
        ),
        ("contract.connectivity_kind", contract.connectivity_kind, found.connectivity_kinds),
    ):
        if value not in able:
            raise card_error(
                f"{field} '{value}' is not one that {found.name} can do: {', '.join(able)}"
            )
    return found
