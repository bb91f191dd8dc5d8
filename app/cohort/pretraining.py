"""Masked-reconstruction pre-training of the small encoder on pain-agnostic participants.

Each step takes a few random windows and, to keep a step short, some runs of neighbouring
parcels of each; it hides a share of their tokens and learns to predict the hidden patches from
the visible ones. Visible tokens keep their stored order, so the convolution
along the token axis sees the same neighbourhoods as later in use. Everything random of step n
is drawn from (seed, n): a run that was interrupted and resumed gives the same weights as one
that was not.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.device import fixed_threads

COORDINATE_SPREAD = 0.01  # coordinates reach 100 mm
RESIDUAL_START = 0.15
FILTER_GAIN = 1.0
RUN_PARCELS = 18  # the convolution reaches 3.2 parcels to either side


@dataclass(frozen=True, slots=True)
class PretrainingSettings:
    """How the encoder is pre-trained; recorded in the card."""

    steps: int = 600
    batch: int = 4
    parcel_runs: int = 8  # of `RUN_PARCELS` consecutive parcels each, drawn for every window
    mask_ratio: float = 0.6
    learning_rate: float = 1.0e-3
    warmup_steps: int = 50
    weight_decay: float = 0.01
    gradient_limit: float = 1.0
    validation_every: int = 100
    checkpoint_every: int = 50
    seed: int = 7


def kept_first_order(tokens: int, mask_ratio: float, rng: np.random.Generator) -> Tensor:
    """A permutation whose first part, the visible tokens, is ascending."""
    shuffled = rng.permutation(tokens)
    kept = int(tokens * (1 - mask_ratio))
    return torch.from_numpy(np.concatenate([np.sort(shuffled[:kept]), shuffled[kept:]]))


def initialise(model: BrainLM, seed: int) -> None:
    """Seeded start.

    The patch projection starts as a bank of narrow-band filters (sinusoids of graded frequency
    and random phase), so that a token dimension stands for a rhythm rather than for white
    noise; residual branches start small, so that depth refines a token instead of scrambling
    it; coordinates are scaled so that millimetres stay of order one. The rest is normal with
    variance 1 / inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("LayerNorm.weight", "norm.weight")):
                parameter.fill_(1.0)
            elif name.endswith(".bias"):
                parameter.zero_()
            elif "signal_embedding" in name:
                parameter.copy_(_filter_bank(parameter.shape[0], parameter.shape[1], generator))
            elif "xyz" in name:
                parameter.normal_(0.0, COORDINATE_SPREAD, generator=generator)
            elif parameter.dim() == 2:
                spread = 1.0 / math.sqrt(parameter.shape[1])
                if name.endswith("output.dense.weight"):
                    spread *= RESIDUAL_START
                parameter.normal_(0.0, spread, generator=generator)
            else:
                parameter.normal_(0.0, 0.02, generator=generator)


def _filter_bank(filters: int, frames: int, generator: torch.Generator) -> Tensor:
    """Sinusoids from 0 to half a cycle a frame, unit energy times `FILTER_GAIN`."""
    cycles = 0.5 * torch.arange(filters) / (filters - 1)
    phase = 2.0 * math.pi * torch.rand(filters, generator=generator)
    time = torch.arange(frames, dtype=torch.float32)
    waves = torch.cos(2.0 * math.pi * cycles[:, None] * time + phase[:, None])
    bank: Tensor = FILTER_GAIN * waves / waves.norm(dim=1, keepdim=True)
    return bank


def _batch(
    series: Floats, centroids: Tensor, settings: PretrainingSettings, model: BrainLM, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng([settings.seed, step])
    window, parcels = model.config.num_timepoints_per_voxel, series.shape[2]
    run = min(RUN_PARCELS, parcels)
    inputs, places, orders = [], [], []
    for _ in range(settings.batch):
        person = rng.integers(0, len(series))
        start = rng.integers(0, series.shape[1] - window + 1)
        runs = np.sort(rng.permutation(parcels // run)[: settings.parcel_runs]) * run
        offset = rng.integers(0, parcels % run + 1)
        chosen = (runs[:, None] + np.arange(run) + offset).ravel()
        part = series[person, start : start + window][:, chosen].T
        inputs.append(torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)))
        places.append(centroids[torch.from_numpy(chosen)])
        tokens = chosen.size * model.config.patch_count
        orders.append(kept_first_order(tokens, settings.mask_ratio, rng))
    return torch.stack(inputs), torch.stack(places), torch.stack(orders)


def pretrain(
    config: BrainLMConfig,
    settings: PretrainingSettings,
    series: Floats,
    validation: Floats,
    centroids_mm: Floats,
    checkpoint: Path,
    progress: Progress,
    max_steps_now: int | None = None,
) -> tuple[BrainLM, tuple[tuple[int, float], ...]]:
    """Train, or go on training, one encoder.

    Parameters
    ----------
    config, settings
        Sizes and how to train.
    series, validation
        (participant, frame, parcel) in the model's normalisation, disjoint participants.
    centroids_mm
        (parcel, 3).
    checkpoint
        File of tensors that is written now and then and resumed from when present.
    progress
        Told after every step; a cancel takes hold there (the last checkpoint stays).
    max_steps_now
        Stop (resumably) after so many steps in this call.

    Returns
    -------
    The model (with decoder) and (step, validation loss) pairs.

    Raises
    ------
    ModelError
        When the checkpoint belongs to other settings or other series.
    """
    model = BrainLM(config, with_decoder=True)
    initialise(model, settings.seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    identity = record_sha256(
        {
            "config": config.as_mapping(),
            "settings": asdict(settings),
            "data": array_sha256(np.asarray(series[0]), np.asarray(centroids_mm, np.float32)),
            "participants": len(series),
        }
    )
    done, history = _resume(checkpoint, identity, model, optimiser)
    centroids = torch.from_numpy(np.asarray(centroids_mm, np.float32))
    stop = min(settings.steps, done + (max_steps_now or settings.steps))
    with fixed_threads():
        for step in range(done, stop):
            rate = min(1.0, (step + 1) / settings.warmup_steps)
            rate *= 0.5 * (1.0 + math.cos(math.pi * step / settings.steps))
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * rate
            inputs, places, orders = _batch(series, centroids, settings, model, step)
            optimiser.zero_grad(set_to_none=True)
            _, _, loss = model.reconstruct(inputs, places, orders, settings.mask_ratio)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_limit)
            optimiser.step()
            last = step + 1 == stop
            if (step + 1) % settings.validation_every == 0 or step + 1 == settings.steps:
                history.append((step + 1, _validate(model, settings, validation, centroids)))
            if (step + 1) % settings.checkpoint_every == 0 or last:
                _store(checkpoint, identity, step + 1, model, optimiser, history)
            progress.step((step + 1) / settings.steps, f"step {step + 1} of {settings.steps}")
    return model, tuple(history)


def _validate(
    model: BrainLM, settings: PretrainingSettings, series: Floats, centroids: Tensor
) -> float:
    losses = []
    with torch.no_grad():
        for batch in range(8):
            inputs, places, orders = _batch(series, centroids, settings, model, 10**6 + batch)
            losses.append(float(model.reconstruct(inputs, places, orders, settings.mask_ratio)[2]))
    return float(np.mean(losses))


def _store(
    path: Path,
    identity: str,
    step: int,
    model: BrainLM,
    optimiser: torch.optim.Optimizer,
    history: list[tuple[int, float]],
) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
    tensors["history"] = torch.tensor(history, dtype=torch.float64).reshape(-1, 2)
    partial = path.with_suffix(".partial")
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        str(partial),
        metadata={"identity": identity, "step": str(step)},
    )
    os.replace(partial, path)


def _resume(
    path: Path, identity: str, model: BrainLM, optimiser: torch.optim.Optimizer
) -> tuple[int, list[tuple[int, float]]]:
    if not path.exists():
        return 0, []
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as archive:
        facts = archive.metadata()
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    if facts.get("identity") != identity:
        raise ModelError(
            "The checkpoint was made with other settings or other series.",
            "Remove it, or train with the settings it was made with.",
            code="model.checkpoint",
        )
    model.load_state_dict(
        {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    stored = optimiser.state_dict()
    stored["state"] = state
    optimiser.load_state_dict(stored)
    history = [(int(step), float(loss)) for step, loss in tensors["history"].tolist()]
    return int(facts["step"]), history
