"""What a BrainLM (13M family) is made of, read from its own `config.json` or a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.models.config_fields import (
    LARGEST_DEPTH,
    LARGEST_WIDTH,
    check_choice,
    check_epsilon,
    check_whole_numbers,
)

POSITIONS = 5000  # rows of the stored sinusoidal table


@dataclass(frozen=True, slots=True)
class BrainLMConfig:
    """Sizes of one encoder/decoder; field names are the published ones."""

    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    decoder_hidden_size: int = 256
    decoder_num_hidden_layers: int = 2
    decoder_num_attention_heads: int = 4
    decoder_intermediate_size: int = 1024
    num_brain_voxels: int = 424
    num_timepoints_per_voxel: int = 200
    timepoint_patching_size: int = 20
    conv_kernel_size: int = 65
    layer_norm_eps: float = 1e-12
    num_landmarks: int = 64
    segment_means_seq_len: int = 64
    use_tanh_decoder: bool = False
    hidden_act: str = "gelu"
    loss_fn: str = "mse"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> BrainLMConfig:
        """Take the known fields; unknown ones (training leftovers) are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @property
    def patch_count(self) -> int:
        """Patches in one window of one parcel."""
        return self.num_timepoints_per_voxel // self.timepoint_patching_size

    @property
    def token_count(self) -> int:
        """Tokens in one window, without CLS."""
        return self.num_brain_voxels * self.patch_count

    def as_mapping(self) -> dict[str, Any]:
        """Plain values, for a card."""
        return asdict(self)

    def check(self) -> None:
        """Refuse what this family cannot run.

        Raises
        ------
        ValueError
            With the field and what was expected.
        """
        values = asdict(self)
        widths = ("hidden_size", "intermediate_size", "decoder_hidden_size", "num_brain_voxels",
                  "decoder_intermediate_size", "num_timepoints_per_voxel", "num_landmarks",
                  "timepoint_patching_size", "segment_means_seq_len", "conv_kernel_size",
                  "num_attention_heads", "decoder_num_attention_heads")  # fmt: skip
        limits = dict.fromkeys(widths, LARGEST_WIDTH)
        limits |= {"num_hidden_layers": LARGEST_DEPTH, "decoder_num_hidden_layers": LARGEST_DEPTH}
        check_whole_numbers(values, limits)
        check_epsilon(self.layer_norm_eps)
        check_choice(values, "hidden_act", "gelu")
        check_choice(values, "loss_fn", "mse", "mae")
        check_choice(values, "use_tanh_decoder", False, True)
        if self.num_landmarks != self.segment_means_seq_len:
            raise ValueError(
                "num_landmarks differs from segment_means_seq_len: the landmark "
                "approximation of attention is not supported, only exact softmax."
            )
        for width, heads in (
            (self.hidden_size, self.num_attention_heads),
            (self.decoder_hidden_size, self.decoder_num_attention_heads),
        ):
            if width % heads or width % 2:
                raise ValueError(f"Width {width} is not an even multiple of {heads} heads.")
        if self.num_timepoints_per_voxel % self.timepoint_patching_size:
            raise ValueError(
                f"{self.num_timepoints_per_voxel} frames are not a multiple of the patch "
                f"({self.timepoint_patching_size})."
            )
        if self.patch_count > POSITIONS:
            raise ValueError(f"{self.patch_count} patches do not fit the table of {POSITIONS}.")
        if self.conv_kernel_size % 2 == 0:
            raise ValueError(f"conv_kernel_size {self.conv_kernel_size} must be odd.")
