"""The demonstration bundle, end to end: pre-train, encode, fit, judge, write. Resumable.

Everything random comes from the seeds of `DemoSettings`, which are written into the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from app.cohort.attribution_truth import explain_people, ranking
from app.cohort.blocks import covariate_block, series_block
from app.cohort.demo_card import Fitted, golden_indices
from app.cohort.demo_settings import DEMO, ENCODER, FRAMES, REPETITION_TIME_S, DemoSettings
from app.cohort.demo_writer import add_to_card, write_bundle
from app.cohort.evaluation import (
    Contender,
    Evaluated,
    evaluate,
    null_figures,
)
from app.cohort.feature_table import FeatureTable
from app.cohort.features import FeatureExtractor, cached_series_features, mean_correlation_of
from app.cohort.health_arrays import health_arrays, resampled_models
from app.cohort.novelty import fit_novelty
from app.cohort.prepared import PreparedParticipant, split_people, usable
from app.cohort.pretraining import initialise, pretrain
from app.cohort.series_level import pain_agnostic_series
from app.cohort.training import Block
from app.connectome.atlases import Atlas, load_atlas
from app.connectome.connectivity import fisher_z
from app.core.arrays import Bools, Floats
from app.core.progress import Progress
from app.models.brainlm import BrainLM
from app.models.bundle import load_bundle
from app.models.covariates import NAMES as COVARIATES
from app.simulation.signature import parcel_table, planted_signature

FUSED, SERIES, CONNECTIVITY = "fused", "series_only", "connectivity_only"
RANDOM, RANDOM_FUSED = "random_frozen_encoder", "random_frozen_encoder_fused"
LINEAR, COVARIATE = "linear_on_all_connections", "covariates_only"


@dataclass(frozen=True, slots=True)
class Cohort:
    """People, split once, with everything a contender may be made of."""

    training: tuple[PreparedParticipant, ...]
    held_out: tuple[PreparedParticipant, ...]

    def labels(self) -> tuple[Bools, Bools]:
        """(training,), (held-out,) True = responder."""
        return (
            np.array([person.responder for person in self.training]),
            np.array([person.responder for person in self.held_out]),
        )


@dataclass(frozen=True, slots=True)
class Made:
    """What `make_demo_bundle` leaves for judging further."""

    cohort: Cohort
    results: dict[str, Evaluated]
    golden: tuple[PreparedParticipant, ...]  # whose scores the card records


def pretrained_encoder(
    folder: Path,
    progress: Progress,
    settings: DemoSettings = DEMO,
    *,
    max_steps_now: int | None = None,
) -> tuple[BrainLM, tuple[tuple[int, float], ...]]:
    """Pre-train the encoder, or go on, or read the finished one back."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / f"agnostic-{settings.agnostic_seed}-{settings.agnostic_count}.npy"
    if not stored.exists():
        partial = stored.with_suffix(".partial")
        with partial.open("wb") as handle:
            series = pain_agnostic_series(
                settings.agnostic_count,
                settings.agnostic_seed,
                FRAMES,
                REPETITION_TIME_S,
                progress,
            )
            np.save(handle, series)
        partial.replace(stored)
    series = np.load(stored, mmap_mode="r")
    validation = settings.agnostic_validation_count
    scale = np.float32(settings.agnostic_scale_percent)
    model, history = pretrain(
        ENCODER,
        settings.pretraining,
        np.asarray(series[validation:]) / scale,
        np.asarray(series[:validation]) / scale,
        parcel_table().centroids_mm,
        folder / "pretraining.safetensors",
        progress,
        max_steps_now,
    )
    return model.eval().requires_grad_(False), history


def random_encoder(seed: int) -> BrainLM:
    """The same encoder, never trained."""
    model = BrainLM(ENCODER, with_decoder=True)
    initialise(model, seed)
    return model.eval().requires_grad_(False)


def extractor_of(encoder: BrainLM, atlas: Atlas, settings: DemoSettings = DEMO) -> FeatureExtractor:
    """What turns participants into features, with tokens in their own order."""
    names = list(dict.fromkeys(atlas.networks))
    return FeatureExtractor(
        encoder=encoder,
        centroids_mm=np.asarray(atlas.centroids_mm, np.float32),
        network_of_parcel=np.array([names.index(name) for name in atlas.networks]),
        network_count=len(names),
        token_order=np.arange(ENCODER.token_count),
        series_scale_percent=settings.series_scale_percent,
    )


def all_connections(people: Sequence[PreparedParticipant], mean: Floats) -> Block:
    """Fisher z of the whole upper triangle: the default competitor."""
    upper = np.triu_indices(len(mean), 1)
    rows = [
        fisher_z(np.where(np.isfinite(p.connectivity), p.connectivity, mean)[upper], 0.999)
        for p in people
    ]
    values = np.stack(rows).astype(np.float32)
    return Block("all connections", values, np.ones(values.shape[1], np.float32))


def make_demo_bundle(
    people: Sequence[PreparedParticipant],
    training_count: int,
    work_dir: Path,
    bundle_dir: Path,
    progress: Progress,
    settings: DemoSettings = DEMO,
) -> Made:
    """Train on the first `training_count` people, judge on the others, write the bundle.

    Parameters
    ----------
    people
        Participants that went through the whole recipe; those whose quality verdict withholds
        a number take no part.
    training_count
        How many train; the split is by identifier and fixed.
    work_dir
        Pre-training checkpoint and feature cache; what is there already is used.
    bundle_dir
        Receives ``card.toml`` and ``weights.safetensors``.
    progress
        Stages "pretrain", "features", "fit", "judge".

    Returns
    -------
    The split, the delivered model's features, and all contenders by name.
    """
    training, held_out = split_people(usable(people), training_count)
    cohort = Cohort(training, held_out)
    everyone = (*training, *held_out)
    labels, held_out_labels = cohort.labels()
    atlas = load_atlas("HCPEx")
    with progress.stage("pretrain"):
        encoder, history = pretrained_encoder(work_dir, progress, settings)
    extractor = extractor_of(encoder, atlas, settings)
    untrained = extractor_of(random_encoder(settings.random_encoder_seed), atlas, settings)
    with progress.stage("features"):
        cache = work_dir / "features"
        networks = extractor.network_of_parcel
        mean = mean_correlation_of(training)
        table = FeatureTable.of(everyone, extractor, mean, cache, progress)
        series, connectivity = table.blocks(networks)
        random = series_block(
            cached_series_features(untrained, everyone, cache, progress), networks
        )
    count = len(training)
    contenders = (
        Contender.of(FUSED, count, series, connectivity),
        Contender.of(SERIES, count, series),
        Contender.of(CONNECTIVITY, count, connectivity),
        Contender.of(RANDOM, count, random),
        Contender.of(RANDOM_FUSED, count, random, connectivity),
        Contender.of(LINEAR, count, all_connections(everyone, mean)),
        Contender.of(COVARIATE, count, covariate_block(table.covariates, count)),
    )
    results = {}
    with progress.stage("fit"):
        identifiers = [person.identifier for person in training]
        for number, contender in enumerate(contenders):
            progress.step(number / len(contenders), contender.name)
            results[contender.name] = evaluate(
                contender, labels, held_out_labels, identifiers, settings.protocol
            )
    with progress.stage("judge"):
        fused = results[FUSED]
        null = null_figures(
            contenders[0],
            labels,
            held_out_labels,
            fused.head.strengths,
            repeats=settings.null_repeats,
            seed=settings.null_seed,
        )
        blocks = contenders[0].training
        heads, calibrations = resampled_models(
            blocks,
            labels,
            fused.head.strengths,
            repeats=settings.bootstrap_heads,
            seed=settings.bootstrap_seed,
        )
        health = health_arrays(blocks, labels, fused.head, calibrations, extractor.network_count)
        novel = novelty_features(extractor, everyone, table.series, table.connectivity)
        fitted = Fitted(
            settings=settings,
            extractor=extractor,
            atlas=atlas,
            cohort_training=training,
            cohort_held_out=held_out,
            results=results,
            heads=heads,
            health=health,
            null=null,
            novelty=fit_novelty(novel[:count]),
            novelty_features=novel,
            mean_correlation=mean,
            pretraining_history=history,
            covariate_names=COVARIATES,
        )
        write_bundle(fitted, bundle_dir)
    golden = tuple(held_out[index] for index in golden_indices(fitted))
    return Made(cohort, results, golden)


def judge_attribution(
    made: Made, bundle_dir: Path, count: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Rank the planted signature by the attributions of held-out people; goes into the card.

    Parameters
    ----------
    made
        What `make_demo_bundle` returned.
    bundle_dir
        The bundle it wrote; its card gains the table ``attribution_truth``.
    count
        How many held-out people are explained.
    progress
        Told after each of them.
    """
    truth = planted_signature()
    bundle = load_bundle(bundle_dir)
    found = explain_people(bundle, made.cohort.held_out[:count], progress)
    branches, scans = [one.branches for one in found], [one.scan for one in found]
    figures = {
        "branches": asdict(ranking(branches, truth)),
        "scan": asdict(ranking(scans, truth)),
        "health": {
            "people": float(len(found)),
            "converged_branches": float(np.mean([one.branches.converged for one in found])),
            "converged_scan": float(np.mean([one.scan.converged for one in found])),
            "agreement_median": float(np.median([one.agreement for one in found])),
        },
    }
    add_to_card(bundle_dir, "attribution_truth", figures)
    return figures


def novelty_features(
    extractor: FeatureExtractor,
    people: Sequence[PreparedParticipant],
    series: Floats,
    pairs: Floats,
) -> Floats:
    """As `FmmTc.novelty_features`, for many people: (person, feature)."""
    spread = np.stack([extractor.spread(person) for person in people])
    activity = series.reshape(len(people), extractor.network_count, -1).mean(axis=2)
    return np.concatenate([pairs, spread, activity], axis=1)
