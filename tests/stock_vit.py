"""The stock ViT-MAE of `transformers` under the published names of tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

# transformers 5 renamed what published checkpoints, and transformers 4, call otherwise.
NEW_NAMES = (
    ("vit.layers.", "vit.encoder.layer."),
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


def published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names that published checkpoints use."""
    renamed = {}
    for key, tensor in state.items():
        for new, published in NEW_NAMES:
            key = key.replace(new, published)
        renamed[key] = tensor
    return renamed
