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

import torch
from torch import Tensor

from app.core.provenance import array_sha256, file_sha256
from app.models.answer import ScanModel
from app.models.card import Card, card_error
from app.models.fitted_response import FittedResponse, check_sizes, statistics_shapes
from app.models.fmm_tc import ENCODER, Sizes, expected_shapes
from app.models.network_statistics import NetworkStatistics
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
    """Memory of an encoder's pass with gradients, estimated from its sizes.

    Every layer keeps about ten activations of the model's width and two of the inner width for
    each token; weights are counted twice, and half is added for what a library holds back.
    """
    config = card.encoder
    per_token = 10 * config.hidden_size + 2 * config.intermediate_size
    activations = 4 * (config.token_count + 1) * per_token * (config.num_hidden_layers + 1)
    width, inner = config.hidden_size, config.intermediate_size
    weights = 4 * config.num_hidden_layers * (4 * width * width + 2 * width * inner)
    return (3 * (batch * activations + 2 * weights)) // 2


def _check_response(card: Card, _weights: Tensors, statistics: Tensors) -> None:
    check_sizes(card)
    check_tensors(statistics, statistics_shapes(card))


def _small(_card: Card, _batch: int) -> int:
    return 64 << 20


def response(name: str, place: str, summary: str, branch: str = "") -> Architecture:
    """An entry for a class that follows `ResponseModel`.

    Parameters
    ----------
    name, summary
        As in the table.
    place
        "module:Class".
    branch
        "series" or "connectivity" where the model looks at that input alone and has gradients,
        so that it can be explained; "" = no explanation.
    """

    def build(
        card: Card, _weights: Tensors, statistics: Tensors, file: Path, _device: torch.device
    ) -> ScanModel:
        if file_sha256(file) != card.fields.weights.sha256:  # it may have changed since
            raise card_error("weights.sha256 is not the hash of the weights file")
        module, _, kind = place.partition(":")
        return FittedResponse.build(
            getattr(importlib.import_module(module), kind), card, statistics, file, branch
        )

    return Architecture(
        name=name,
        summary=summary,
        own_file=True,
        normalisations=("percent",),
        repetition_time_policies=("frames",),
        connectivity_kinds=("pearson",),
        check=_check_response,
        build=build,
        need_bytes=_small,
        devices=("cpu",),
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
        "app.models.fmm_tc_network:FmmTcNetwork",
        "FMM_TC trained on people, corrected mode: own or no encoder, any connectivity and fusion",
    ),
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
            raise card_error(f"{field} '{value}' is not one that {found.name} can do: {able[0]}")
    return found
