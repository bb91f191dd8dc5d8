"""From a judged evaluation to a bundle: fit on everybody, calibrate, refit, write, load again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.cohort.calibration import FITS
from app.cohort.learn.bundle_card import Made, card_values, pooled_sites, site_groups
from app.cohort.learn.bundle_contract import (
    contract_values,
    encoder_values,
    has_encoder,
    says_what_it_sees,
)
from app.cohort.learn.bundle_refits import bundle_refits
from app.cohort.learn.contender import Contender, Inputs
from app.cohort.learn.contenders import (
    COVARIATE_RIVALS,
    VARIANTS,
    Workshop,
    networks_of,
)
from app.cohort.learn.evaluate import Evaluation, run_splits
from app.cohort.learn.plan import Plan
from app.cohort.learn.result_folder import ResultFolder, work_kept
from app.cohort.novelty import fit_novelty, quantile_count, stopped
from app.connectome.atlases import Atlas
from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models.architectures import find_architecture
from app.models.baselines.connections import mean_correlation
from app.models.bundle import load_bundle
from app.models.card import read_card
from app.models.card_text import model_id_problem
from app.models.device import torch_device
from app.models.installed import CARD_FILE, STATISTICS_FILE, WEIGHTS_FILE
from app.models.novelty_depths import IN_TIME, novelty_vector
from app.models.refits import VALUES, WEIGHTS
from app.study.files import storage_errors

NOVELTY_LIMIT = 97.5  # percentile: about one newcomer of the same population in 40 is withheld


@dataclass(frozen=True, slots=True)
class Trained:
    """A bundle in its place."""

    folder: Path
    model_id: str
    shows_numbers: bool  # outside research mode
    interval: str = ""  # how a person's own interval is made, in the card's words


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
    refuse_bundle(evaluation.cohort.plan, contender.id, model_id)
    architecture = "fmm-tc-network" if contender.id in VARIANTS else contender.id
    inputs, cohort = Inputs.of(evaluation.cohort), evaluation.cohort
    seed, calibrate = cohort.plan.protocol.seed, FITS[cohort.plan.protocol.calibration]
    with progress.stage("fit"):
        model = contender.fresh().fit(
            inputs.people.series, inputs.people.connectivity, inputs.people.covariates,
            inputs.labels, seed=seed, progress=progress,
        )  # fmt: skip
        covariates = _covariate_rival(evaluation, workshop, inputs, progress)
    with progress.stage("refits"):
        refits = bundle_refits(contender, model, inputs, evaluation, progress)
    place = workshop.encoder if has_encoder(model) else None
    contract = contract_values(model, place, len(atlas.parcel_names))
    scale = float(contract.get("series_scale_percent", 1.0))
    with progress.stage("novelty"):
        statistics, sizes, beyond = _novelty(model, inputs, evaluation, atlas, scale)
    sizes |= refits.sizes
    statistics |= refits.statistics
    scores = evaluation.headline.scores.log_odds
    made = Made(
        model_id=model_id,
        architecture=architecture,
        atlas=atlas,
        calibration=calibrate(scores.ravel(), np.tile(inputs.labels, len(scores))),
        contract=contract,
        encoder=None if place is None else encoder_values(model, place),
        sizes=sizes,
        log_odds_sd=refits.log_odds_sd,
        whole_refits=refits.whole_models,
        covariates=tuple(covariates["names"]),
        beyond_limit=beyond,
        novelty_limit=NOVELTY_LIMIT,
    )
    statistics |= {f"covariates.{key}": covariates[key] for key in ("mean", "weight", "bias")}
    with progress.stage("write"), work_kept(evaluation.folder), storage_errors():
        folder = write_bundle(model, statistics, card_values(evaluation, made), out_dir, model_id)
    fields = read_card(folder).fields
    return Trained(folder, model_id, not fields.unearned, fields.uncertainty.method)


def refuse_bundle(plan: Plan, headline: str, model_id: str) -> None:
    """What no bundle can be made of; callers ask before an evaluation of hours, too.

    Raises
    ------
    ModelError
        ``model.id`` or ``cohort.bundle``.
    """
    if problem := model_id_problem(model_id):
        raise ModelError(f"'{model_id[:40]}' {problem}.", "Choose another --id.", code="model.id")
    if headline in (*COVARIATE_RIVALS, "majority"):
        raise ModelError(
            f"'{headline}' is a rival without a brain; it stands beside every answer anyway.",
            "Name a model of series or connectivity first in the plan.",
            code="cohort.bundle",
        )
    if plan.recipe.harmonise != "none":
        raise ModelError(
            "A model of harmonised features cannot become a bundle: no new scanner can be served.",
            "Plan recipe.harmonise = 'none' for a model that is to be used.",
            code="cohort.bundle",
        )
    if plan.protocol.refits == 0:
        raise ModelError(
            "A bundle needs refits on resampled people: its intervals come from them.",
            "Plan protocol.refits = 100, or judge only: `evaluate`.",
            code="cohort.bundle",
        )


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
    elif key in ("mean_correlation", WEIGHTS, VALUES):
        kind = np.float32
    return torch.from_numpy(np.ascontiguousarray(value, kind))


def _covariate_rival(
    evaluation: Evaluation, workshop: Workshop, inputs: Inputs, progress: Progress
) -> dict[str, Any]:
    """All known covariates, calibrated by the evaluation's own folds: weights for the card."""
    names = workshop.covariate_names
    own_scale = evaluation.cohort.own_pain_scale  # a bundle is asked in 0 to 10
    if own_scale:
        names = tuple(name for name in names if name != "baseline_pain")
        workshop = replace(workshop, covariate_names=names)
    if not names:
        nothing = np.zeros(0)
        rate = float(inputs.labels.mean())
        return {"names": (), "mean": nothing, "weight": nothing,
                "bias": np.array([np.log(rate / (1.0 - rate))])}  # fmt: skip
    contender = workshop.contender("covariates")
    judged = None if own_scale else evaluation.models.get("covariates")
    if judged is None:
        key = ["covariates", *names, evaluation.cohort.sha256(), evaluation.splits.seed]
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
        if says_what_it_sees(model):
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
