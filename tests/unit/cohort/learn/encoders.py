"""A tiny encoder of 12 parcels, as an installed one would be opened."""

from __future__ import annotations

import numpy as np

from app.cohort.learn.contenders import EncoderPlace
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.encoders import LoadedEncoder
from app.models.fmm_tc_settings import FmmTcTraining
from app.models.input_contract import InputContract
from app.models.series_encoder import restart

PARCELS, WINDOW = 12, 20
CONFIG = BrainLMConfig(
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    decoder_hidden_size=8,
    num_brain_voxels=PARCELS,
    num_timepoints_per_voxel=WINDOW,
    timepoint_patching_size=10,
    conv_kernel_size=5,
)
PLACES = np.random.default_rng(3).uniform(-60, 60, (PARCELS, 3)).astype(np.float32)


def tiny_place() -> EncoderPlace:
    model = BrainLM(CONFIG)
    restart(model, 8)
    loaded = LoadedEncoder(
        "tiny",
        "13m",
        model.eval().requires_grad_(False),
        InputContract(PARCELS, WINDOW, "percent_scaled"),
        {"model.safetensors": "c" * 64},
    )
    return EncoderPlace(loaded, loaded.contract, PLACES, np.arange(PARCELS) % 3)


FMM_TC_TRAINING = FmmTcTraining(epochs=4, patience=2, batch=8, inner_folds=2, members=1)
