"""A model on disk: loaded strictly, asked politely, silent where a gate is closed.

A bundle is ``model_weights/<id>/card.toml`` and ``weights.safetensors``. It answers with a
`Prediction` whose numbers are None whenever a gate fails; they are then not computed at all,
unless research mode asks for them, which is stamped into the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, frozen
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.resources import model_weights_path
from app.core.results import (
    CleanSignals,
    Connectome,
    Finding,
    ModelSummary,
    Novelty,
    Outcome,
    Participant,
    Prediction,
    QualityReport,
    Scan,
    Verdict,
)
from app.models.card import Card, Contract, read_card
from app.models.covariates import covariate_probability
from app.models.device import choose_device, fixed_threads, run_with_fallback
from app.models.differentiable import DifferentiableModel
from app.models.features import prepared_series
from app.models.fmm_tc import FmmTc
from app.models.gates import computable, failed_gates, novelty_gate
from app.models.strict_loading import read_tensors

MODELS: tuple[str, ...] = ("simulated-demo",)
WEIGHTS_FILE = "weights.safetensors"
MODALITIES = ("series", "connectivity")


@dataclass(frozen=True, slots=True)
class Answer:
    """The numbers of one participant, before any wording."""

    log_odds: float
    windows: Floats  # (window,)
    probability: float
    interval: tuple[float, float]
    contributions: dict[str, float]
    novelty: Novelty


@dataclass(frozen=True, slots=True)
class Bundle:
    """One installed model."""

    card: Card
    folder: Path
    tensors: dict[str, Tensor]

    @property
    def contract(self) -> Contract:
        """What a scan must have been through before this model may look at it."""
        return self.card.contract

    @property
    def summary(self) -> ModelSummary:
        """What a number of this model must never be shown without."""
        return self.card.summary

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file, as pinned in the card and checked at loading."""
        return self.card.summary.weights_sha256

    def model(self, device: str = "cpu") -> FmmTc:
        """The model on a device ("cpu", "cuda" or "mps")."""
        return FmmTc.from_tensors(self.card, self.tensors, device)

    def predict(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        participant: Participant,
        scan: Scan,
        quality: QualityReport,
        *,
        findings: tuple[Finding, ...] = (),
        research: bool = False,
        device: str = "auto",
        threads: int = 0,
        progress: Progress | None = None,
    ) -> Prediction:
        """Answer for one scan, or say why not; see `predict_with_notes`."""
        return self.predict_with_notes(
            signals,
            connectome,
            participant,
            scan,
            quality,
            findings=findings,
            research=research,
            device=device,
            threads=threads,
            progress=progress,
        )[0]

    def predict_with_notes(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        participant: Participant,
        scan: Scan,
        quality: QualityReport,
        *,
        findings: tuple[Finding, ...] = (),
        research: bool = False,
        device: str = "auto",
        threads: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Prediction, str, tuple[str, ...]]:
        """Answer, the device that computed it, and notes (fallbacks).

        Parameters
        ----------
        signals, connectome, participant, scan, quality
            The measured scan.
        findings
            What was noticed on the way; a blocking one closes a gate.
        research
            Compute although a gate is closed, and stamp the answer.
        device
            "auto", "cuda", "mps" or "cpu".
        threads
            Not used: torch runs with a constant number, so that the bits do not depend on it.
        progress
            Told between windows; a cancel takes hold there.

        Raises
        ------
        ModelError
            For an unknown device.
        """
        progress = progress or Progress()
        reasons = failed_gates(self.card, signals, connectome, scan, quality, findings)
        if (reasons and not research) or not computable(self.card, signals, connectome):
            return self._withheld(reasons), "cpu", ()
        chosen, note = choose_device(device)

        def work(where: str, _batch: int) -> Answer:
            with fixed_threads(), torch.no_grad():
                return self._answer(signals, connectome, where, progress)

        answer, used, notes = run_with_fallback(work, chosen, 1)
        notes = (*((note,) if note else ()), *notes)
        reasons = (*reasons, *novelty_gate(answer.novelty))
        if reasons and not research:
            return self._withheld(reasons, answer.novelty), used, notes
        low, high = answer.interval
        if reasons:
            outcome = Outcome.WITHHELD
        elif low <= self.summary.cutoff <= high:
            outcome = Outcome.INCONCLUSIVE
            reasons = (
                f"The 95 % interval spans the cut-off of {self.summary.cutoff:.0%}: the model "
                "cannot tell to which side this participant belongs",
            )
        else:
            outcome = Outcome.RESULT
        prediction = Prediction(
            outcome=outcome,
            reasons=reasons,
            model=self.summary,
            probability=answer.probability,
            interval=answer.interval,
            log_odds=answer.log_odds,
            log_odds_windows=answer.windows,
            covariate_probability=covariate_probability(
                self.card, self.tensors, participant, signals
            ),
            contributions=answer.contributions,
            novelty=answer.novelty,
            research_only=outcome is Outcome.WITHHELD,
        )
        return prediction, used, notes

    def device_used(self, wish: str) -> str:
        """The device that `wish` ("auto", "cuda", "mps", "cpu") leads to on this machine."""
        return choose_device(wish)[0]

    def differentiable(
        self, signals: CleanSignals, connectome: Connectome, *, device: str = "auto"
    ) -> DifferentiableModel:
        """The model as functions of this scan's series and matrix, for attribution.

        Raises
        ------
        ModelError
            ``model.not_computable`` when the scan does not have the model's shape.
        """
        if not computable(self.card, signals, connectome):
            raise ModelError(
                "This scan does not have the shape that the model needs.",
                "Nothing can be explained where nothing can be computed.",
                code="model.not_computable",
            )
        chosen, _ = choose_device(device)
        return DifferentiableModel.of(
            self.model(chosen),
            signals.cleaned,
            signals.good_frames,
            connectome.matrix,
            self.contract.series_scale_percent,
            chosen,
        )

    def _withheld(self, reasons: tuple[str, ...], novelty: Novelty | None = None) -> Prediction:
        return Prediction(
            outcome=Outcome.WITHHELD,
            reasons=reasons,
            model=self.summary,
            probability=None,
            interval=None,
            log_odds=None,
            log_odds_windows=None,
            covariate_probability=None,
            contributions=None,
            novelty=novelty,
        )

    def _answer(
        self, signals: CleanSignals, connectome: Connectome, device: str, progress: Progress
    ) -> Answer:
        model = self.model(device)
        prepared, covered = prepared_series(signals.cleaned, self.contract.series_scale_percent)
        series, present = prepared.to(device), covered.to(device)
        correlation = filled_correlation(connectome.matrix, model.tensors["mean_correlation"])
        progress.step(0.1, "series encoder")
        rows = model.series_features(series, present)
        progress.step(0.9, "connectivity encoder and head")
        pairs = model.connectivity_features(correlation, present)
        novel = model.novelty_features(series, present, rows.mean(dim=0), pairs)
        return self._combine(_numpy(rows), _numpy(pairs), _numpy(novel))

    def _combine(self, rows: Floats, pairs: Floats, novel: Floats) -> Answer:
        """Linear head, calibration and interval from features; float64, fixed order of sums."""
        t = {key: _numpy(value) for key, value in self.tensors.items() if _is_head(key)}
        rows, pairs = rows - t["head.series_mean"], pairs - t["head.connectivity_mean"]
        windows = (rows * t["head.series"]).sum(axis=1)
        series, matrix = float(windows.mean()), float((pairs * t["head.connectivity"]).sum())
        bias = float(t["head.bias"][0])
        log_odds = bias + series + matrix
        heads = (
            (rows[:, None, :] * t["bootstrap.series"][None]).sum(axis=2)
            + (pairs[None] * t["bootstrap.connectivity"]).sum(axis=1)
            + t["bootstrap.bias"]
        )  # (window, head): resampled people and windows spread the interval alike
        low, high = self._calibrated(np.percentile(heads, [2.5, 97.5]))
        probability = float(self._calibrated(np.array([log_odds]))[0])
        return Answer(
            log_odds=log_odds,
            windows=frozen(bias + windows + matrix),
            probability=probability,
            interval=(min(float(low), probability), max(float(high), probability)),
            contributions={MODALITIES[0]: series, MODALITIES[1]: matrix, "bias": bias},
            novelty=self._novelty(novel),
        )

    def _calibrated(self, log_odds: Floats) -> Floats:
        scaled = self.card.calibration.slope * log_odds + self.card.calibration.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scaled, -700, 700))))

    def _novelty(self, features: Floats) -> Novelty:
        mean, precision = _numpy(self.tensors["novelty.mean"]), self.tensors["novelty.precision"]
        step = features - mean
        weighted = (_numpy(precision) * step[:, None]).sum(axis=0)
        distance = float(np.sqrt(max((weighted * step).sum(), 0.0)))
        quantiles = _numpy(self.tensors["novelty.quantiles"])
        count = self.summary.training_count
        below = float(np.interp(distance, quantiles, np.linspace(0.0, 100.0, quantiles.size)))
        percentile = min(below, 100.0 * count / (count + 1))
        outside = not distance <= float(
            np.interp(
                self.card.novelty_limit_percentile,
                np.linspace(0.0, 100.0, quantiles.size),
                quantiles,
            )
        )
        sites = _numpy(self.tensors["novelty.site_means"])
        nearest = int(((sites - features) ** 2).sum(axis=1).argmin())
        return Novelty(
            percentile=percentile,
            limit=self.card.novelty_limit_percentile,
            nearest=self.card.site_names[nearest],
            verdict=Verdict.WITHHELD if outside else Verdict.PASS,
        )


def filled_correlation(matrix: Floats, mean: Tensor) -> Tensor:
    """The matrix as float32, rows of missing parcels taken from the training mean."""
    values = torch.from_numpy(np.asarray(matrix, np.float32).copy()).to(mean.device)
    return torch.where(torch.isfinite(values), values, mean)


def _is_head(key: str) -> bool:
    return key.startswith(("head.", "bootstrap."))


def _numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)


def load_bundle(model_id_or_dir: str | Path) -> Bundle:
    """Load an installed model by id, or one in a folder.

    Raises
    ------
    ModelError
        When anything about card or weights is not exactly as it must be.
    """
    folder = Path(model_id_or_dir)
    if isinstance(model_id_or_dir, str) and folder.name == model_id_or_dir:
        folder = model_weights_path() / model_id_or_dir
    stamps = tuple(
        (folder / name).stat().st_mtime_ns if (folder / name).is_file() else 0
        for name in ("card.toml", WEIGHTS_FILE)
    )
    return _load(folder.resolve(), stamps)


@lru_cache(maxsize=2)
def _load(folder: Path, _stamps: tuple[int, ...]) -> Bundle:
    card = read_card(folder)
    tensors = read_tensors(folder / WEIGHTS_FILE, card.summary.weights_sha256)
    bundle = Bundle(card, folder, tensors)
    found, known = canary(bundle.model()), card.canary["log_odds"]
    if not abs(found - known) <= card.canary["tolerance"]:
        raise ModelError(
            f"The model does not give its recorded answer: {found:.6f} instead of {known:.6f}.",
            "Reinstall the program; its numerical libraries or the model have changed.",
            code="model.canary",
        )
    return bundle


def canary(model: FmmTc) -> float:
    """Log-odds that the model gives to one fixed, made-up scan of exactly one window."""
    parcels = len(model.tensors["network_of_parcel"])
    frame = torch.arange(model.window_frames, dtype=torch.float64)[:, None]
    parcel = torch.arange(parcels, dtype=torch.float64)[None, :]
    wave = torch.sin(0.05 * frame * (1 + parcel % 7) + 0.7 * parcel)
    series = (wave + 0.5 * torch.cos(0.21 * frame + 0.013 * parcel**2)).float()
    present = torch.ones(parcels, dtype=torch.bool)
    mean = model.tensors["mean_correlation"]
    matrix = 0.9 * mean + 0.1 * torch.cos(parcel.T - parcel).float()
    with fixed_threads(), torch.no_grad():
        score = (
            model.tensors["head.bias"][0]
            + model.series_log_odds(series, present).mean()
            + model.connectivity_log_odds(matrix, present)
        )
    return float(score)
