"""What a bundle's card says of the model's inputs and of its encoder, from the fitted model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.cohort.learn.contenders import EncoderPlace
from app.models.baselines.encoder_logistic import EncoderLogistic
from app.models.differentiable_normalisation import UNCENTRED
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.novelty_depths import EncodedResponse
from app.models.series_encoder import FAMILY_13M, FAMILY_VIT

MISSING_SHARE = 0.10  # of parcels


def has_encoder(model: Any) -> bool:
    if isinstance(model, FmmTcNetwork):
        return model.fitted is not None and model.fitted.encoder is not None
    return isinstance(model, EncoderLogistic)


def says_what_it_sees(model: Any) -> bool:
    """Whether its encoder is a depth of its own; one trained along moves with the labels."""
    if isinstance(model, FmmTcNetwork) and model.settings.foundation == "scratch":
        return False
    return has_encoder(model) and isinstance(model, EncodedResponse)


def contract_values(model: Any, place: EncoderPlace | None, parcels: int) -> dict[str, Any]:
    most = int(MISSING_SHARE * parcels)
    if isinstance(model, FmmTcNetwork):
        settings = model.settings
        if settings.normalisation in UNCENTRED and "series" in settings.branches:
            most = 0
        return {
            "window_frames": settings.window_frames,
            "normalisation": settings.normalisation,
            "normalisation_origin": "as the encoder was trained",
            "series_scale_percent": settings.series_scale_percent,
            "repetition_time_policy": settings.repetition_time_policy,
            "maximum_missing_parcels": most,
        }
    if place is not None:
        contract = place.contract
        return {
            "window_frames": contract.window_frames,
            "normalisation": contract.normalisation,
            "normalisation_origin": "as the encoder was trained",
            "series_scale_percent": contract.scale_percent,
            "repetition_time_policy": contract.repetition_time_policy,
            "maximum_missing_parcels": most,
        }
    own = {}
    if window := getattr(model.settings, "window_frames", 0):
        own["window_frames"] = window
    return own | {"maximum_missing_parcels": most}


def encoder_values(model: Any, place: EncoderPlace) -> dict[str, Any]:
    loaded = place.loaded
    if isinstance(model, FmmTcNetwork):
        assert model.fitted is not None
        source = model.fitted.encoder
        assert source is not None
        sha256, third_party = source.sha256, source.third_party
    else:
        sha256, third_party = model.settings.reading.weights_sha256, True
    orders = place.orders
    pooled = isinstance(model, FmmTcNetwork) and loaded.name == "simulated-demo"
    return {
        "name": loaded.name,
        "family": FAMILY_13M if loaded.family == "13m" else FAMILY_VIT,
        "sha256": sha256,
        "source": "installed" if third_party else "bundled",
        "licence": "of its makers; its weights are not part of this model",
        "token_order": "identity" if orders is None else "stored",
        "permutations": 1 if orders is None else len(orders),
        "cls_layer": "after the final LayerNorm",
        "features": "log variance of patch tokens, network means" if pooled else "CLS",
        "config": _config(loaded.module),
    }


def _config(module: Any) -> dict[str, Any]:
    config = module.config
    return dict(config.as_mapping() if hasattr(config, "as_mapping") else asdict(config))
