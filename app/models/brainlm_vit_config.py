"""What a BrainLM ViT-MAE (111M, 650M) is made of, read from its own `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.models.config_fields import (
    LARGEST_DEPTH,
    LARGEST_WIDTH,
    check_choice,
    check_epsilon,
    check_whole_numbers,
)

CANVASES = {16: 432, 14: 434}  # patch -> side of the square image; no others were published


@dataclass(frozen=True, slots=True)
class BrainLMVitConfig:
    """Sizes of one ViT-MAE encoder/decoder; field names are the published ones.

    Head counts cannot be read from any tensor of this family, so they are never guessed.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    decoder_hidden_size: int
    decoder_num_hidden_layers: int
    decoder_num_attention_heads: int
    decoder_intermediate_size: int
    image_size: int
    patch_size: int
    num_channels: int = 3
    layer_norm_eps: float = 1e-12
    num_brain_voxels: int = 424
    num_timepoints_per_voxel: int = 200

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> BrainLMVitConfig:
        """Take and check the known fields; unknown ones (training leftovers) are ignored.

        Raises
        ------
        ValueError
            A size is missing or impossible, or a setting is not implemented; names the field.
        """
        needed = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                  "decoder_hidden_size", "decoder_num_hidden_layers", "image_size", "patch_size",
                  "decoder_num_attention_heads", "decoder_intermediate_size")  # fmt: skip
        for name in needed:
            if name not in values:
                raise ValueError(f"{name} is missing and cannot be read from the weights.")
        optional = {
            "num_channels": 3, "layer_norm_eps": 1e-12, "num_brain_voxels": 424,
            "num_timepoints_per_voxel": 200,
        }  # fmt: skip
        known = {name: values[name] for name in needed}
        known |= {name: values.get(name, default) for name, default in optional.items()}
        known["image_size"] = _side(known["image_size"])
        check_choice(values, "hidden_act", "gelu")
        check_choice(values, "train_mode", "auto_encode")
        check_choice(values, "qkv_bias", True)
        check_choice(values, "norm_pix_loss", False)
        config = cls(**known)
        config.check()
        return config

    @property
    def grid(self) -> int:
        """Patches along one side of the image."""
        return self.image_size // self.patch_size

    @property
    def token_count(self) -> int:
        """Tokens in one window, without CLS."""
        return self.grid**2

    @property
    def margins(self) -> tuple[int, int]:
        """Rows above (and below) and columns before (and after) the series in the image."""
        return (
            (self.image_size - self.num_brain_voxels) // 2,
            (self.image_size - self.num_timepoints_per_voxel) // 2,
        )

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the patch grid that hold any data; all others see padding only."""
        rows, columns = self.margins
        return (
            slice(rows // self.patch_size, -(-(rows + self.num_brain_voxels) // self.patch_size)),
            slice(
                columns // self.patch_size,
                -(-(columns + self.num_timepoints_per_voxel) // self.patch_size),
            ),
        )

    def check(self) -> None:
        """Refuse what this family cannot run.

        Raises
        ------
        ValueError
            With the field and what was expected.
        """
        values = asdict(self)
        limits = {name: LARGEST_WIDTH for name in values if name != "layer_norm_eps"}
        limits |= {"num_hidden_layers": LARGEST_DEPTH, "decoder_num_hidden_layers": LARGEST_DEPTH}
        limits["num_channels"] = 16
        check_whole_numbers(values, limits)
        check_epsilon(self.layer_norm_eps)
        if CANVASES.get(self.patch_size) != self.image_size:
            known = " or ".join(f"{patch} with {side}" for patch, side in CANVASES.items())
            raise ValueError(
                f"patch_size {self.patch_size} with image_size {self.image_size} is not "
                f"implemented; only {known}."
            )
        for name, size in (
            ("num_brain_voxels", self.num_brain_voxels),
            ("num_timepoints_per_voxel", self.num_timepoints_per_voxel),
        ):
            if size > self.image_size or (self.image_size - size) % 2:
                raise ValueError(f"{name} {size} cannot be centred in {self.image_size} pixels.")
        for part in ("", "decoder_"):
            width, heads = values[f"{part}hidden_size"], values[f"{part}num_attention_heads"]
            if width % heads or width % 4:
                raise ValueError(
                    f"{part}hidden_size {width} is not a multiple of 4 and of "
                    f"{part}num_attention_heads {heads}."
                )


def _side(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2:
        if value[0] != value[1]:
            raise ValueError(f"image_size is {list(value)!r}; only square images are implemented.")
        return value[0]
    return value
