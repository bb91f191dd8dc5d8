"""Adds to a finished bundle's card what can be judged without training it again. Resumable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cohort.demo_settings import DEMO, DemoSettings
from app.cohort.demo_writer import add_to_card
from app.cohort.feature_table import FeatureTable
from app.cohort.features import mean_correlation_of
from app.cohort.judging import (
    Judge,
    Tables,
    extractor_for,
    strengths_of,
)
from app.cohort.prepared import PreparedParticipant, split_people, usable
from app.core.progress import Progress
from app.models.bundle import load_bundle
from app.models.fmm_tc import FmmTc


@dataclass(frozen=True, slots=True)
class Judged:
    """What was put into the card, and the features that it was computed from."""

    tables: Tables
    cohort: FeatureTable
    null_cohort: FeatureTable | None


def judge_bundle(
    people: Sequence[PreparedParticipant],
    null_people: Sequence[PreparedParticipant],
    bundle_dir: Path,
    work_dir: Path,
    progress: Progress,
    settings: DemoSettings = DEMO,
    *,
    walked: int = 0,
    device: str = "cpu",
) -> Judged:
    """Gain over covariates, null cohort, and attribution beside permuted labels.

    Parameters
    ----------
    people
        The participants that the bundle was made from, and its held-out ones.
    null_people
        A cohort without a signature, prepared in the same way; may be empty.
    bundle_dir
        Its card gains the tables; its weights stay as they are.
    work_dir
        Cache of features and of walked paths.
    walked
        How many held-out people's integrated gradients are compared as well; see `Judge.walked`.

    Raises
    ------
    ModelError
        ``cohort.other_people``.
    """
    bundle = load_bundle(bundle_dir)
    model = FmmTc.from_tensors(bundle.card, bundle.tensors)
    scale = bundle.contract.series_scale_percent
    extractor = extractor_for(model, scale)
    training, held_out = split_people(usable(people), bundle.summary.training_count)
    cache = work_dir / "features"
    with progress.stage("features"):
        everyone = (*training, *held_out)
        mean = mean_correlation_of(training)
        table = FeatureTable.of(everyone, extractor, mean, cache, progress)
    null_table = None
    tables: Tables = {}
    with progress.stage("judge"):
        judge = Judge(model, table, len(training), strengths_of(bundle.card.raw), settings)
        tables |= judge.gain() | judge.permuted_contributions()
        if null_people:
            # pairs that a scan does not cover are filled from people outside the null cohort
            null_table = FeatureTable.of(usable(null_people), extractor, mean, cache, progress)
            tables |= judge.null_cohort(null_table)
    if walked:
        with progress.stage("walk"):
            on_device = FmmTc.from_tensors(bundle.card, bundle.tensors, device)
            bases = judge.walked(
                on_device, held_out[:walked], scale, work_dir / "walks", progress, device
            )
        tables |= judge.permuted_gradients(bases)
    for name, values in tables.items():
        add_to_card(bundle_dir, name, values)
    return Judged(tables, table, null_table)
