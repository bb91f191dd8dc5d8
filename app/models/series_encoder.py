"""Encoders of parcel series behind one small protocol, whatever family they come from.

`SeriesEncoder` is all that FMM_TC needs: one vector a window, differentiable with respect to
the series. `EncoderSource` adds where the weights come from, so that a stored model can refer
to third-party weights by hash and carry only weights that are this project's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from app.core.arrays import Floats, Ints
from app.core.errors import ModelError
from app.core.provenance import array_sha256, record_sha256
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.brainlm_vit import BrainLMVit
from app.models.brainlm_vit_config import BrainLMVitConfig
from app.models.features import pooling_weights, series_features

FAMILY_13M = "BrainLM 13M"
FAMILY_VIT = "BrainLM ViT-MAE"
LARGEST = {  # of a description read from a file: no more memory than published models need
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 64,
    "intermediate_size": 8192,
    "num_brain_voxels": 5000,
    "num_timepoints_per_voxel": 5000,
    "timepoint_patching_size": 5000,
    "conv_kernel_size": 1001,
}
LARGEST_NETWORKS = 1000
START_SPREAD = 0.02  # standard deviation of random weights, as published


@runtime_checkable
class SeriesEncoder(Protocol):
    """Turns windows of parcel series into one vector each."""

    @property
    def width(self) -> int:
        """Values a window."""

    @property
    def window_frames(self) -> int:
        """Frames of a window."""

    def cls(self, windows: Tensor, xyz: Tensor, orders: Tensor) -> Tensor:
        """One vector a window, (window, width), differentiable with respect to `windows`.

        Parameters
        ----------
        windows
            (window, parcel, frame), normalised, no gaps.
        xyz
            (parcel, 3), template mm.
        orders
            (order, token) stored permutations; the answer is the mean over them. Families in
            which the order does not matter ignore it.
        """


class BrainLMSeriesEncoder(nn.Module):
    """The 13M family: its CLS token, or its patch tokens pooled over networks.

    With `network_of_parcel` (parcel,) the vector is the log variance over patches of every
    token dimension, averaged over each network's parcels (`features.series_features`): for
    encoders whose CLS token was never trained to say anything.
    """

    def __init__(self, model: BrainLM, network_of_parcel: Ints | None = None) -> None:
        super().__init__()
        self.model = model
        self.network_of_parcel = network_of_parcel

    @property
    def width(self) -> int:
        """Hidden size, or networks times hidden size."""
        hidden = self.model.config.hidden_size
        if self.network_of_parcel is None:
            return hidden
        return hidden * (int(self.network_of_parcel.max()) + 1)

    @property
    def window_frames(self) -> int:
        """From the configuration."""
        return self.model.config.num_timepoints_per_voxel

    @property
    def parcel_count(self) -> int:
        """From the configuration."""
        return self.model.config.num_brain_voxels

    @property
    def token_count(self) -> int:
        """Tokens of a window, without CLS."""
        return self.model.config.token_count

    def cls(self, windows: Tensor, xyz: Tensor, orders: Tensor) -> Tensor:
        """See `SeriesEncoder`."""
        found = []
        for order in orders:
            if self.network_of_parcel is None:
                found.append(self.model.cls(windows, xyz, order))
                continue
            present = torch.ones(windows.shape[1], dtype=torch.bool, device=windows.device)
            count = int(self.network_of_parcel.max()) + 1
            pooling = pooling_weights(self.network_of_parcel, count, present)
            found.append(series_features(self.model, windows, xyz, order, pooling))
        return torch.stack(found).mean(dim=0)


class OrderFreeEncoder(nn.Module):
    """A family whose answer does not depend on the order of tokens, such as ViT-MAE.

    Parameters
    ----------
    module
        The encoder.
    read
        Gives CLS (window, width) of the module, windows (window, parcel, frame) and xyz.
    width, window_frames
        As the checkpoint's configuration says.
    """

    def __init__(
        self,
        module: nn.Module,
        read: Callable[[nn.Module, Tensor, Tensor], Tensor],
        width: int,
        window_frames: int,
    ) -> None:
        super().__init__()
        self.module, self._read = module, read
        self._width, self._window_frames = width, window_frames

    @property
    def width(self) -> int:
        """As given."""
        return self._width

    @property
    def window_frames(self) -> int:
        """As given."""
        return self._window_frames

    def cls(self, windows: Tensor, xyz: Tensor, orders: Tensor) -> Tensor:
        """See `SeriesEncoder`; `orders` is not used."""
        del orders
        return self._read(self.module, windows, xyz)


def _vit_cls(module: nn.Module, windows: Tensor, xyz: Tensor) -> Tensor:
    assert isinstance(module, BrainLMVit)
    return module.cls(windows, xyz)


class VitSeriesEncoder(OrderFreeEncoder):
    """BrainLM ViT-MAE: its CLS token, every size from the configuration."""

    def __init__(self, model: BrainLMVit) -> None:
        config = model.config
        super().__init__(model, _vit_cls, config.hidden_size, config.num_timepoints_per_voxel)
        self.parcel_count = config.num_brain_voxels


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """An encoder and where its weights come from."""

    encoder: SeriesEncoder
    sha256: str  # of the weights file (third-party), or of the weights themselves (own)
    third_party: bool  # then its weights are never written into a model of ours
    build: Mapping[str, Any]  # what makes the empty encoder again; empty = it must be given

    @classmethod
    def of_brainlm(
        cls,
        model: BrainLM,
        *,
        file_sha256: str | None = None,
        network_of_parcel: Ints | None = None,
    ) -> EncoderSource:
        """13M family; with the hash of the published file, or this project's own weights."""
        encoder = BrainLMSeriesEncoder(model, network_of_parcel)
        networks = None if network_of_parcel is None else [int(n) for n in network_of_parcel]
        build = {"family": FAMILY_13M, "config": model.config.as_mapping(), "networks": networks}
        return cls(encoder, file_sha256 or weights_sha256(encoder), file_sha256 is not None, build)

    @classmethod
    def of_vit(cls, model: BrainLMVit, *, file_sha256: str | None = None) -> EncoderSource:
        """ViT-MAE; as `of_brainlm`."""
        encoder = VitSeriesEncoder(model)
        build = {"family": FAMILY_VIT, "config": asdict(model.config)}
        return cls(encoder, file_sha256 or weights_sha256(encoder), file_sha256 is not None, build)

    def restarted(self, seed: int) -> EncoderSource:
        """The same architecture with random weights: the ablation's other arms."""
        encoder = copy.deepcopy(module_of(self.encoder))
        restart(encoder, seed)
        if not isinstance(encoder, SeriesEncoder):  # pragma: no cover - a deep copy keeps its type
            raise TypeError("not an encoder")
        return EncoderSource(encoder, weights_sha256(encoder), False, self.build)

    def identity(self) -> str:
        """Hash over weights and readout: part of every cached feature's key."""
        return record_sha256([self.sha256, self.build, type(self.encoder).__name__])


def built(build: Mapping[str, Any]) -> BrainLMSeriesEncoder | VitSeriesEncoder:
    """An encoder without its weights, from what `EncoderSource.build` recorded.

    Raises
    ------
    ModelError
        ``model.encoder_missing`` when the family cannot be made from the record alone.
    """
    family = build.get("family")
    if family not in (FAMILY_13M, FAMILY_VIT):
        raise ModelError(
            "The model needs an encoder that its file does not describe.",
            "Install the encoder that the model names.",
            code="model.encoder_missing",
        )
    try:
        if family == FAMILY_VIT:
            return VitSeriesEncoder(BrainLMVit(BrainLMVitConfig.from_mapping(build["config"])))
        config = BrainLMConfig.from_mapping(build["config"])
        for name, largest in LARGEST.items():
            if not 0 < int(getattr(config, name)) <= largest:
                raise ValueError(f"{name} is out of range")
        return BrainLMSeriesEncoder(
            BrainLM(config), checked_networks(build["networks"], config.num_brain_voxels)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            "The model's description of its encoder is damaged.",
            "Install the model again.",
            code="model.damaged",
        ) from error


def checked_networks(networks: Any, parcels: int) -> Ints | None:
    """(parcel,) network of each parcel as a file describes it; None where it names none.

    Raises
    ------
    ValueError
        When they do not fit the parcels.
    """
    if networks is None:
        return None
    found = np.asarray(networks, np.int64)
    if found.shape != (parcels,) or found.min() < 0 or found.max() >= LARGEST_NETWORKS:
        raise ValueError("networks do not fit the parcels")
    return found


def module_of(encoder: SeriesEncoder) -> nn.Module:
    """The encoder as a torch module.

    Raises
    ------
    ModelError
        ``model.encoder`` when it is none, so that its weights cannot be copied or restarted.
    """
    if not isinstance(encoder, nn.Module):
        raise ModelError(
            "This encoder is no torch module.",
            "Use an encoder of a known family.",
            code="model.encoder",
        )
    return encoder


def weights_sha256(encoder: SeriesEncoder) -> str:
    """Hash over names and values of all weights and buffers."""
    state = module_of(encoder).state_dict()
    arrays = array_sha256(*(state[name].cpu().numpy() for name in sorted(state)))
    return record_sha256([sorted(state), arrays])


def restart(module: nn.Module, seed: int) -> None:
    """Random start as published: normal weights (SD 0.02), zero biases, LayerNorm one and zero.

    Fixed position codes keep their values.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = {
        f"{name}.{kind}"
        for name, part in module.named_modules()
        if isinstance(part, nn.LayerNorm)
        for kind in ("weight", "bias")
    }
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "pos_embed" in name or "position_embeddings" in name:
                continue
            if name in norms:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                values = torch.empty(parameter.shape).normal_(
                    0.0, START_SPREAD, generator=generator
                )
                parameter.copy_(values)


def identity_orders(tokens: int) -> Ints:
    """(1, token): tokens in parcel order."""
    return np.arange(tokens, dtype=np.int64)[None]


def drawn_orders(tokens: int, count: int, seed: int) -> Ints:
    """(count, token) random permutations; what is stored is the permutation, not the seed."""
    rng = np.random.default_rng([seed, 41])
    return np.stack([rng.permutation(tokens) for _ in range(count)]).astype(np.int64)


def coordinates(xyz_mm: Floats) -> Tensor:
    """(parcel, 3) float32 on the CPU."""
    return torch.from_numpy(np.array(xyz_mm, np.float32))
