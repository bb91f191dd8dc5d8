"""Figures of a finished bundle that need no training of it: gain, null cohort, permuted labels.

Everything is computed from the cohort's features (`FeatureTable`) by the same protocol and
seeds as the bundle; its weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.blocks import covariate_block
from app.cohort.demo_settings import DemoSettings
from app.cohort.evaluation import Contender, evaluate, gain_figures
from app.cohort.feature_table import FeatureTable
from app.cohort.features import FeatureExtractor
from app.cohort.head_basis import ScanBasis, dual_rows, scan_basis
from app.cohort.null_cohort import delivered_on_null, null_cohort_figures
from app.cohort.permuted_labels import contribution_maps, figures_of, fit_many, gradient_maps
from app.cohort.prepared import PreparedParticipant
from app.cohort.training import Head
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.differentiable import DifferentiableModel
from app.models.fmm_tc import FmmTc
from app.simulation.signature import planted_signature

Tables = dict[str, dict[str, Any]]  # dotted name of a card's table -> its values
GRADIENT_MODELS = 400  # a map of 90 525 connections each
TOLERANCE = 1e-3  # of a refitted weight, relative to the largest


class Judge:
    """One bundle's people, split as it was trained, with heads refitted on true labels."""

    def __init__(
        self,
        model: FmmTc,
        table: FeatureTable,
        training_count: int,
        strengths: Sequence[float],
        settings: DemoSettings,
    ) -> None:
        """Refit and compare.

        Raises
        ------
        ModelError
            ``cohort.other_people`` when these are not the people that the bundle was made from.
        """
        self.settings, self.table, self.strengths = settings, table, tuple(strengths)
        self.network_of_parcel = model.tensors["network_of_parcel"].cpu().numpy()
        self.training_count = training_count
        self.labels = table.labels[:training_count]
        self.held_out_labels = table.labels[training_count:]
        blocks = table.blocks(self.network_of_parcel)
        fused = Contender.of("fused", training_count, *blocks)
        self.training, self.held_out = fused.training, fused.held_out
        self.heads = fit_many(
            self.training,
            self.labels,
            self.strengths,
            repeats=settings.permuted_models,
            seed=settings.null_seed,
        )
        delivered = model.tensors["head.series"].cpu().numpy()
        off = np.abs(self.heads.series[0] - delivered).max() / np.abs(delivered).max()
        if off > TOLERANCE:
            raise ModelError(
                "These are not the participants that the model was made from.",
                "Prepare the cohort with the seed that its card names.",
                code="cohort.other_people",
            )
        self._delivered = Head(
            float(model.tensors["head.bias"][0]),
            (self.heads.series[0], self.heads.connectivity[0]),
            tuple(block.values.mean(axis=0) for block in self.training),
            self.strengths,
        )
        self.held_out_log_odds = self._delivered.log_odds(self.held_out)

    def gain(self) -> Tables:
        """Gain over the covariate-only model of all covariates, held-out people paired."""
        settings, count = self.settings, self.training_count
        covariates = covariate_block(self.table.covariates, count)
        rival = evaluate(
            Contender.of("covariates_only", count, covariates),
            self.labels,
            self.held_out_labels,
            self.table.identifiers[:count],
            settings.protocol,
        )
        return {
            "metrics.gain_over_covariates": gain_figures(
                self.held_out_log_odds,
                rival.held_out_log_odds,
                self.held_out_labels,
                seed=settings.fold_seed,
            )
        }

    def null_cohort(self, table: FeatureTable) -> Tables:
        """The whole protocol, and the delivered model, on people without a signature.

        As many train as for the bundle where enough people are left to judge, else two thirds.
        """
        count = self.training_count
        if len(table.labels) < count + count * 2 // 5:
            count = len(table.labels) * 2 // 3
        blocks, settings = table.blocks(self.network_of_parcel), self.settings
        figures = null_cohort_figures(
            blocks, table.labels, count, settings, settings.null_cohort_seed
        )
        return {
            "metrics.null_cohort_simulated": figures
            | delivered_on_null(self._delivered.log_odds(blocks), table.labels, settings)
        }

    def permuted_contributions(self) -> Tables:
        """Contributions of networks and pairs beside models trained on shuffled labels."""
        series, connections = contribution_maps(
            self.heads,
            self.training,
            self.held_out,
            self.network_of_parcel,
            planted_signature(),
        )
        return {
            "attribution_truth.permuted_labels": {
                "people": float(len(self.held_out_labels)),
                "permuted_models": float(self.settings.permuted_models),
                "series_parcels": figures_of(series),
                "connections": figures_of(connections),
            }
        }

    def permuted_gradients(self, bases: Sequence[ScanBasis]) -> Tables:
        """Integrated gradients of some held-out people, beside the same shuffled models."""
        heads = self.heads.first(1 + GRADIENT_MODELS)
        series, connections = gradient_maps(
            heads, self.strengths, bases, self.network_of_parcel, planted_signature()
        )
        return {
            "attribution_truth.permuted_labels_gradients": {
                "people": float(len(bases)),
                "permuted_models": float(len(heads.alpha) - 1),
                "series_parcels": figures_of(series),
                "connections": figures_of(connections),
            }
        }

    def walked(
        self,
        model: FmmTc,
        people: Sequence[PreparedParticipant],
        scale_percent: float,
        cache: Path,
        progress: Progress,
        device: str = "cpu",
    ) -> tuple[ScanBasis, ...]:
        """Walk the paths of some people; what is there already is read back.

        About a quarter of an hour a person on one core, seconds on a graphics card.
        """
        cache.mkdir(parents=True, exist_ok=True)
        rows, found = dual_rows(self.training[0]), []
        for number, person in enumerate(people, start=1):
            path = cache / f"walk-{person.identifier}-{person.scan_sha256[:12]}.npz"
            if path.exists():
                basis = ScanBasis.read(path)
            else:
                scan = DifferentiableModel.of(
                    model,
                    person.cleaned,
                    person.good_frames,
                    person.connectivity,
                    scale_percent,
                    device,
                )
                basis = scan_basis(scan, rows, batch=8 if device == "cpu" else 80)
                basis.save(path)
            found.append(basis)
            progress.step(number / len(people), f"paths of participant {number} of {len(people)}")
        return tuple(found)


def strengths_of(card: Mapping[str, Any]) -> tuple[float, ...]:
    """Inverse penalties of the delivered head, as its card states them."""
    return tuple(float(value) for value in card["metrics"]["fused"]["strengths"])


def extractor_for(model: FmmTc, scale_percent: float) -> FeatureExtractor:
    """The delivered model's own way from a participant to features."""
    return FeatureExtractor(
        encoder=model.encoder,
        centroids_mm=model.tensors["centroids_mm"].cpu().numpy(),
        network_of_parcel=model.tensors["network_of_parcel"].cpu().numpy(),
        network_count=model.networks,
        token_order=model.tensors["token_order"].cpu().numpy(),
        series_scale_percent=scale_percent,
    )
