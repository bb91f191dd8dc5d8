"""Loads the fitted models that a bundle can hold, and compares each with its card.

A model's own file says what it is; whatever the card states of the same thing must agree.
Encoders that others published are looked up by their hash among those that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import ModelError
from app.models.baselines import BASELINES, Study, load_rival
from app.models.baselines.encoder_logistic import EncoderLogistic
from app.models.baselines.encoder_reading import ReadEncoder, Reading
from app.models.baselines.rival import Rival
from app.models.card import Card, card_error
from app.models.differentiable_normalisation import UNCENTRED
from app.models.encoder_lookup import installed_encoder, source_of
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fmm_tc_store import wanted_encoder
from app.models.normalisation import PERCENT_SCALED
from app.models.repetition_time import PRETRAINING_TR_S
from app.models.series_encoder import EncoderSource, checked_networks


def load_network(card: Card, weights: Path, device: str) -> FmmTcNetwork:
    """FMM_TC from its file, with the encoder that it names.

    Raises
    ------
    ModelError
        ``model.encoder_missing`` naming what to install, ``model.card`` naming the field in
        which card and model differ, or as `FmmTcNetwork.load`.
    """
    encoder = None
    wanted = wanted_encoder(weights)
    if wanted is not None:
        sha256, build = wanted
        encoder = _published(card, sha256, build)
    model = FmmTcNetwork.load(weights, encoder=encoder, device=device)
    _check_network(card, model)
    return model


def _published(card: Card, sha256: str, build: Mapping[str, Any]) -> EncoderSource:
    stated = card.fields.encoder
    loaded = installed_encoder(sha256, "" if stated is None else stated.name)
    try:
        parcels = loaded.module.config.num_brain_voxels
        networks = checked_networks(build.get("networks"), parcels)
    except (TypeError, ValueError) as error:
        raise ModelError(
            "The model's description of its encoder is damaged.",
            "Install the model again.",
            code="model.damaged",
        ) from error
    return source_of(loaded, networks)


def _check_network(card: Card, model: FmmTcNetwork) -> None:
    settings, contract, fitted = model.settings, card.contract, model.fitted
    assert fitted is not None
    if settings.mode != "corrected":
        raise card_error(
            "model.architecture fmm-tc-network asks corrected models; this one is faithful, "
            "for comparison only"
        )
    if "structural" in settings.branches:
        raise card_error(
            "the model needs 45 volumes of each participant, which an analysis does not measure"
        )
    _must_agree(
        ("model.mode", card.fields.model.mode, settings.mode),
        ("contract.parcel_count", contract.parcel_count, fitted.parcels),
        ("contract.normalisation", contract.normalisation, settings.normalisation),
        (
            "contract.repetition_time_policy",
            contract.repetition_time_policy,
            settings.repetition_time_policy,
        ),
        ("contract.window_frames", contract.window_frames, settings.window_frames),
    )
    _check_axes(card, settings)
    most = int(settings.maximum_missing_share * fitted.parcels)
    if settings.normalisation in UNCENTRED and "series" in settings.branches:
        most = 0
    if contract.maximum_missing_parcels > most:
        raise card_error(
            f"contract.maximum_missing_parcels is {contract.maximum_missing_parcels}, the model "
            f"allows {most}"
        )
    _check_encoder(card, fitted.encoder)


def _check_axes(card: Card, own: FmmTcSettings | Reading) -> None:
    """The scale and the time axis of the series, as the model's own file states them."""
    contract = card.contract
    if own.normalisation == PERCENT_SCALED:
        _must_agree(
            (
                "contract.series_scale_percent",
                contract.series_scale_percent,
                own.series_scale_percent,
            )
        )
    _check_time_axis(
        card, own.repetition_time_policy, own.repetition_time_s, contract.window_frames
    )


def _check_time_axis(card: Card, policy: str, seconds: float | None, window: int) -> None:
    """The model's own repetition time, and enough frames for a window after resampling."""
    contract = card.contract
    if seconds is not None:
        _must_agree(("contract.repetition_time_s", contract.repetition_time_s, seconds))
    if policy != "physical":
        return
    span = (contract.minimum_frames - 1) * contract.repetition_time_s
    if span < (window - 1) * PRETRAINING_TR_S:
        raise card_error(
            f"contract.minimum_frames is {contract.minimum_frames}, too few for a window of "
            f"{window} frames at {PRETRAINING_TR_S:g} s"
        )


def _check_encoder(card: Card, source: EncoderSource | None) -> None:
    stated = card.fields.encoder
    if (stated is None) != (source is None):
        raise card_error("encoder is missing" if stated is None else "the model has no encoder")
    if stated is None or source is None:
        return
    _must_agree(
        ("encoder.sha256", stated.sha256, source.sha256),
        ("encoder.source", stated.source, "installed" if source.third_party else "bundled"),
    )
    config = source.build.get("config", {})
    _must_agree(
        *(
            (f"encoder.config.{name}", value, config[name])
            for name, value in stated.config.items()
            if name in config
        )
    )


def load_named_rival(card: Card, weights: Path, device: str) -> Rival:
    """The rival that the card's architecture names; it computes on the CPU.

    Raises
    ------
    ModelError
        As `load_network`; ``model.kind`` where the file holds another rival.
    """
    del device
    wanted = card.fields.model.architecture
    model = load_rival(weights)
    entry = next(one for one in BASELINES if one.id == wanted)
    pattern = entry.make(Study())
    if type(model) is not type(pattern) or _variant(model) != _variant(pattern):
        raise ModelError(
            f"The weights are not those of the architecture '{wanted}'.",
            "Correct model.architecture in the card, or install the model again.",
            code="model.kind",
        )
    settings, contract = model.settings, card.contract
    _must_agree(("contract.parcel_count", contract.parcel_count, settings.parcels))
    if getattr(settings, "window_frames", 0):
        _must_agree(("contract.window_frames", contract.window_frames, settings.window_frames))
    if isinstance(model, EncoderLogistic):
        _attach(card, model)
    elif card.fields.encoder is not None:
        raise card_error("the model has no encoder")
    return model


def _attach(card: Card, model: EncoderLogistic) -> None:
    stated, reading = card.fields.encoder, model.settings.reading
    if stated is None:
        raise card_error("encoder is missing")
    if reading is None or model.places is None:
        raise ModelError(
            "The model's file does not say how its encoder was used.",
            "Fit it again with an encoder of this program.",
            code="model.encoder",
        )
    contract = card.contract
    _must_agree(
        ("encoder.sha256", stated.sha256, reading.weights_sha256),
        ("contract.normalisation", contract.normalisation, reading.normalisation),
        (
            "contract.repetition_time_policy",
            contract.repetition_time_policy,
            reading.repetition_time_policy,
        ),
    )
    _check_axes(card, reading)
    loaded = installed_encoder(reading.weights_sha256, stated.name)
    encoder = ReadEncoder(loaded, reading, *model.places)
    _must_agree(("contract.window_frames", contract.window_frames, encoder.window_frames))
    model.attach(encoder)


def _variant(model: Rival) -> tuple[Any, ...]:
    """What tells rivals of one class apart."""
    names = ("classifier", "architecture")
    return tuple(getattr(model.settings, name, None) for name in names)


def _must_agree(*rows: tuple[str, Any, Any]) -> None:
    for field, stated, actual in rows:
        if stated != actual:
            raise card_error(f"{field} is {stated!r}, the model's own is {actual!r}")
