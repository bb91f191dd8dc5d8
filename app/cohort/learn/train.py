"""From a judged evaluation to a bundle: fit on everybody, calibrate, refit, write, load again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.cohort.calibration import FITS
from app.cohort.learn.bundle_card import Made, card_values, pooled_sites, site_groups
from app.cohort.learn.contender import AnyModel, Contender, Inputs, LinearContender
from app.cohort.learn.contenders import (
    COVARIATE_RIVALS,
    VARIANTS,
    EncoderPlace,
    Workshop,
    networks_of,
)
from app.cohort.learn.evaluate import Evaluation, run_splits
from app.cohort.learn.refit import Refits, refit_heads, spread_of_refits
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.novelty import fit_novelty, quantile_count, stopped
from app.connectome.atlases import Atlas
from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models.architectures import find_architecture
from app.models.baselines.connections import mean_correlation
from app.models.baselines.encoder_logistic import EncoderLogistic
from app.models.baselines.linear_response import LinearRival
from app.models.bundle import load_bundle
from app.models.card import read_card
from app.models.card_text import model_id_problem
from app.models.device import torch_device
from app.models.differentiable_normalisation import UNCENTRED
from app.models.earned import unearned_reason
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.installed import CARD_FILE, STATISTICS_FILE, WEIGHTS_FILE
from app.models.novelty_depths import IN_TIME, EncodedResponse, novelty_vector
from app.models.series_encoder import FAMILY_13M, FAMILY_VIT

NOVELTY_LIMIT = 97.5  # percentile: about one newcomer of the same population in 40 is withheld
WHOLE_REFITS = 8  # of models that cannot be refitted by their head
MISSING_SHARE = 0.10  # of parcels


@dataclass(frozen=True, slots=True)
class Trained:
    """A bundle in its place."""

    folder: Path
    model_id: str
    shows_numbers: bool  # outside research mode


def train_bundle(
    evaluation: Evaluation,
    contender: Contender,
    workshop: Workshop,
    atlas: Atlas,
    out_dir: Path,
    model_id: str,
    progress: Progress | None = None,
) -> Trained:
    """Write ``<out_dir>/<model_id>/`` with the evaluation's headline model.

    Parameters
    ----------
    evaluation
        Judged: its figures go into the card.
    contender
        The headline.
    workshop, atlas
        What it was made with.
    out_dir
        Made if absent; a bundle of this id that is there is replaced when the new one loads.
    model_id
        1 to 64 of a-z, 0-9 and "-".
    progress
        Stages "fit", "refits", "novelty", "write".

    Raises
    ------
    ModelError
        ``model.id``; ``cohort.bundle`` for models that no bundle can hold; or as `load_bundle`.
    """
    progress = progress or Progress()
    if problem := model_id_problem(model_id):
        raise ModelError(f"'{model_id[:40]}' {problem}.", "Choose another --id.", code="model.id")
    architecture = "fmm-tc-network" if contender.id in VARIANTS else contender.id
    if contender.id in COVARIATE_RIVALS or contender.id == "majority":
        raise ModelError(
            f"'{contender.id}' is a rival without a brain; it stands beside every answer anyway.",
            "Name a model of series or connectivity first in the plan.",
            code="cohort.bundle",
        )
    if evaluation.cohort.plan.recipe.harmonise != "none":
        raise ModelError(
            "A model of harmonised features cannot become a bundle: no new scanner can be served.",
            "Plan recipe.harmonise = 'none' for a model that is to be used.",
            code="cohort.bundle",
        )
    inputs, cohort = Inputs.of(evaluation.cohort), evaluation.cohort
    seed, calibrate = cohort.plan.protocol.seed, FITS[cohort.plan.protocol.calibration]
    with progress.stage("fit"):
        model = contender.fresh().fit(
            inputs.people.series, inputs.people.connectivity, inputs.people.covariates,
            inputs.labels, seed=seed, progress=progress,
        )  # fmt: skip
        covariates = _covariate_rival(evaluation, workshop, inputs, progress)
    with progress.stage("refits"):
        refits, spread = _refits(contender, model, inputs, evaluation, progress)
    place = workshop.encoder if _has_encoder(model) else None
    contract = _contract(model, place, len(atlas.parcel_names))
    scale = float(contract.get("series_scale_percent", 1.0))
    with progress.stage("novelty"):
        statistics, sizes, beyond = _novelty(model, inputs, evaluation, atlas, scale)
    if refits is not None:
        sizes |= {"refits": len(refits.bias), "refit_features": refits.weights.shape[1]}
        statistics |= {
            "refits.weights": refits.weights, "refits.bias": refits.bias,
            "refits.calibration": refits.calibration,
        }  # fmt: skip
    scores = evaluation.headline.scores.log_odds
    made = Made(
        model_id=model_id,
        architecture=architecture,
        atlas=atlas,
        calibration=calibrate(scores.ravel(), np.tile(inputs.labels, len(scores))),
        contract=contract,
        encoder=None if place is None else _encoder(model, place),
        sizes=sizes,
        log_odds_sd=spread,
        covariates=tuple(covariates["names"]),
        beyond_limit=beyond,
        novelty_limit=NOVELTY_LIMIT,
    )
    statistics |= {f"covariates.{key}": covariates[key] for key in ("mean", "weight", "bias")}
    with progress.stage("write"):
        folder = write_bundle(model, statistics, card_values(evaluation, made), out_dir, model_id)
    fields = read_card(folder).fields
    reason = unearned_reason(fields.gain_interval, fields.permutation_p)
    return Trained(folder, model_id, not reason)


def write_bundle(
    model: Any, statistics: Mapping[str, Any], card: dict[str, Any], out_dir: Path, model_id: str
) -> Path:
    """Write three files beside their place, load them as any bundle, then rename.

    Raises
    ------
    ModelError
        When it does not load; nothing is left over, and what was there stays.
    """
    from safetensors.torch import save_file
    from tomli_w import dump

    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".making-") as scratch:
        made = Path(scratch) / model_id
        made.mkdir()
        model.save(made / WEIGHTS_FILE)
        tensors = {key: _tensor(key, value) for key, value in statistics.items()}
        save_file(tensors, str(made / STATISTICS_FILE))
        card["weights"]["sha256"] = file_sha256(made / WEIGHTS_FILE)
        card["weights"]["statistics_sha256"] = file_sha256(made / STATISTICS_FILE)

        def write_card() -> None:
            with (made / CARD_FILE).open("wb") as handle:
                dump(card, handle)

        write_card()
        read = read_card(made)
        built = find_architecture(read).build(
            read, {}, tensors, made / WEIGHTS_FILE, torch_device("cpu")
        )
        card["canary"]["log_odds"] = built.canary()
        write_card()
        load_bundle(made)
        target = out_dir / model_id
        target.mkdir(exist_ok=True)
        for name in (WEIGHTS_FILE, STATISTICS_FILE, CARD_FILE):  # the card last: it pins the others
            (made / name).chmod(0o644)
            os.replace(made / name, target / name)
    return target


def _tensor(key: str, value: Any) -> Tensor:
    kind: Any = np.float64
    if key == "network_of_parcel":
        kind = np.int64
    elif key in ("mean_correlation", "refits.weights"):
        kind = np.float32
    return torch.from_numpy(np.ascontiguousarray(value, kind))


def _refits(
    contender: Contender, model: Any, inputs: Inputs, evaluation: Evaluation, progress: Progress
) -> tuple[Refits | None, float | None]:
    plan = evaluation.cohort.plan
    identifiers, seed = evaluation.cohort.identifiers, plan.protocol.seed
    if isinstance(contender, LinearContender) and isinstance(model, LinearRival):
        if plan.protocol.refits == 0:
            return None, 0.0
        found = refit_heads(
            model, inputs.people, inputs.labels, identifiers,
            repeats=plan.protocol.refits, seed=seed, progress=progress,
            calibration=plan.protocol.calibration,
        )  # fmt: skip
        return found, None
    assert isinstance(contender, AnyModel)
    repeats = min(WHOLE_REFITS, plan.protocol.refits)
    return None, spread_of_refits(
        contender, inputs, identifiers, repeats=repeats, seed=seed, progress=progress
    )


def _covariate_rival(
    evaluation: Evaluation, workshop: Workshop, inputs: Inputs, progress: Progress
) -> dict[str, Any]:
    """All known covariates, calibrated by the evaluation's own folds: weights for the card."""
    names = workshop.covariate_names
    if not names:
        nothing = np.zeros(0)
        rate = float(inputs.labels.mean())
        return {"names": (), "mean": nothing, "weight": nothing,
                "bias": np.array([np.log(rate / (1.0 - rate))])}  # fmt: skip
    contender = workshop.contender("covariates")
    judged = evaluation.models.get("covariates")
    if judged is None:
        key = ["covariates", evaluation.cohort.sha256(), evaluation.splits.seed]
        result = ResultFolder(evaluation.folder)
        judged = run_splits(contender, inputs, evaluation.splits, result, key, progress)
    scores = judged.scores.log_odds
    calibrate = FITS[evaluation.cohort.plan.protocol.calibration]
    calibration = calibrate(scores.ravel(), np.tile(inputs.labels, len(scores)))
    model: Any = contender.fresh().fit(
        inputs.people.series, inputs.people.connectivity, inputs.people.covariates, inputs.labels
    )
    linear = model.linear
    return {
        "names": names,
        "mean": linear.mean,
        "weight": calibration.slope * linear.weights,
        "bias": np.array([calibration.slope * linear.bias + calibration.intercept]),
    }


def _novelty(
    model: Any, inputs: Inputs, evaluation: Evaluation, atlas: Atlas, scale: float
) -> tuple[dict[str, Any], dict[str, int], float]:
    """Statistics of training people, their sizes, and the share beyond the limit, left out."""
    people, cohort = inputs.people, evaluation.cohort
    networks = networks_of(atlas.networks)
    count = int(networks.max()) + 1
    shared = {
        "mean_correlation": mean_correlation(people.connectivity),
        "network_of_parcel": networks,
    }
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in shared.items()}
    rows, encoded = [], None
    for series, matrix in zip(people.series, people.connectivity, strict=True):
        if _says_what_it_sees(model):
            encoded = model.encoded(series)
        rows.append(
            novelty_vector(series, matrix, tensors, count, scale, in_time=True, encoded=encoded)
        )
    features = np.stack(rows)
    quantiles = quantile_count(len(rows))
    fit = fit_novelty(features, quantiles)
    beyond = left_out_beyond(features, NOVELTY_LIMIT, quantiles)
    groups = site_groups(cohort.sites)
    means = [
        features[[one == name for one in groups]].mean(axis=0)
        for name in pooled_sites(cohort.sites)
    ]
    sizes = {
        "networks": count,
        "novelty_features": features.shape[1],
        "novelty_quantiles": quantiles,
        "novelty_in_time": IN_TIME,
    }
    if encoded is not None:
        sizes["novelty_encoded"] = len(encoded)
    statistics = {
        **shared,
        "novelty.mean": fit.mean,
        "novelty.precision": fit.precision,
        "novelty.quantiles": fit.quantiles,
        "novelty.site_means": np.stack(means),
    }
    return statistics, sizes, beyond


def left_out_beyond(features: Floats, limit: float, quantiles: int) -> float:
    """Share of people whom a fit on the others would withhold, by halves of the cohort.

    Each half is asked of a fit on the other half: the limit itself is then learnt from other people
    too. Fewer people learn than in the bundle, so the share is a cautious one.
    """
    order = np.random.default_rng(808).permutation(len(features))
    beyond = []
    for half in (order[::2], order[1::2]):
        rest = np.setdiff1d(order, half)
        fit = fit_novelty(features[rest], quantiles)
        beyond += [stopped(fit, row, len(rest), limit) for row in features[half]]
    return float(np.mean(beyond))


def _has_encoder(model: Any) -> bool:
    if isinstance(model, FmmTcNetwork):
        return model.fitted is not None and model.fitted.encoder is not None
    return isinstance(model, EncoderLogistic)


def _says_what_it_sees(model: Any) -> bool:
    """Whether its encoder is a depth of its own; one trained along moves with the labels."""
    if isinstance(model, FmmTcNetwork) and model.settings.foundation == "scratch":
        return False
    return _has_encoder(model) and isinstance(model, EncodedResponse)


def _contract(model: Any, place: EncoderPlace | None, parcels: int) -> dict[str, Any]:
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


def _encoder(model: Any, place: EncoderPlace) -> dict[str, Any]:
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
    from dataclasses import asdict

    config = module.config
    return dict(config.as_mapping() if hasattr(config, "as_mapping") else asdict(config))
