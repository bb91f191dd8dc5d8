"""The demonstration's arrays under other token orders, random weights and shuffled labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from app.core.explanation_health import RANDOM_WEIGHTS, SHUFFLED_LABELS, TOKEN_ORDERS
from app.models.brainlm import BrainLM
from app.models.series_encoder import restart

if TYPE_CHECKING:
    from app.models.network_statistics import NetworkStatistics

_SEED = 41  # of every draw here; fixed, so that health can be computed again to the same bits
_BLOCKS = ("series", "connectivity")


def altered_arrays(
    model: NetworkStatistics, kind: str, number: int
) -> tuple[dict[str, Tensor] | None, BrainLM | None]:
    """Arrays that take the place of the model's own, and a new encoder or None for the same.

    The first answer is None where the bundle does not hold what is asked for.
    """
    own = model.model.tensors
    rng = np.random.default_rng([_SEED, number])
    if kind == TOKEN_ORDERS:
        order = rng.permutation(len(own["token_order"]))
        return {"token_order": torch.from_numpy(order).to(own["token_order"])}, None
    if kind == RANDOM_WEIGHTS:
        encoder = BrainLM(model.card.encoder)
        restart(encoder, int(rng.integers(1 << 31)))
        changes = {}
        for block in _BLOCKS:
            weights = own[f"head.{block}"]
            shuffled = torch.from_numpy(rng.permutation(len(weights))).to(weights.device)
            changes[f"head.{block}"] = weights[shuffled]
        return changes, encoder.eval().requires_grad_(False).to(model.device)
    if kind == SHUFFLED_LABELS and number < len(own.get("shuffled.bias", ())):
        return {
            "head.bias": own["shuffled.bias"][number : number + 1],
            **{f"head.{block}": own[f"shuffled.{block}"][number] for block in _BLOCKS},
        }, None
    return None, None
