"""A model on disk: loaded strictly, asked politely, silent where a gate is closed.

A bundle is ``card.toml`` and ``weights.safetensors`` in a folder of their own (`installed.py`),
for some architectures also ``statistics.safetensors``. It answers with a `Prediction` whose
numbers are None whenever a gate is closed; they are then not computed at all, unless research
mode asks for them, which is stamped into the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from app.core.errors import ModelError
from app.core.model_wording import NO_EXPLANATION
from app.core.progress import Progress
from app.core.provenance import record_sha256
from app.core.request import Question
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
)
from app.core.wording import percent
from app.models.answer import Answer, ScanModel, withheld
from app.models.architectures import Architecture, find_architecture
from app.models.card import Card, Contract, card_error, read_card
from app.models.conformal_set import conformal_set
from app.models.covariates import covariate_probability, scan_covariates
from app.models.device import (
    Attempt,
    UnfitDeviceError,
    choose_device,
    fixed_threads,
    plan,
    run_with_fallback,
    torch_device,
)
from app.models.features import window_starts
from app.models.gates import Asked, comparable, computable, failed_gates, novelty_gate
from app.models.installed import (
    CARD_FILE,
    MODELS,
    STATISTICS_FILE,
    WEIGHTS_FILE,
    bundle_folder,
)
from app.models.scan_functions import ScanFunctions
from app.models.seal import SEAL_FILE
from app.models.strict_loading import read_tensors

__all__ = ["MODELS", "WEIGHTS_FILE", "Bundle", "load_bundle"]

T = TypeVar("T")
BACKWARD = 2  # of a forward pass's need; 1.5 was measured for both attributions on a card


@dataclass(frozen=True, slots=True)
class Bundle:
    """One installed model."""

    card: Card
    folder: Path
    architecture: Architecture
    tensors: Mapping[str, Tensor]  # of the weights file; empty where the model reads it itself
    statistics: Mapping[str, Tensor]  # of the statistics file; empty where there is none
    canary_log_odds: float  # the made-up scan's answer on this machine's CPU

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

    @property
    def identity_sha256(self) -> str:
        """Hash of everything that decides an answer: weights, statistics, and the card's bytes."""
        weights = self.card.fields.weights
        return record_sha256([weights.sha256, weights.statistics_sha256, self.card.sha256])

    def scan_model(self, device: str = "cpu") -> ScanModel:
        """The model on a device ("cpu", "cuda" or "mps")."""
        return self.architecture.build(
            self.card,
            self.tensors,
            self.statistics,
            self.folder / WEIGHTS_FILE,
            torch_device(device),
        )

    def predict(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        participant: Participant,
        scan: Scan,
        quality: QualityReport,
        *,
        findings: tuple[Finding, ...] = (),
        question: Question | None = None,
        research: bool = False,
        device: str = "auto",
        threads: int = 0,
        progress: Progress | None = None,
    ) -> Prediction:
        """Answer for one scan, or say why not; see `predict_with_notes`."""
        asked = Asked(
            signals, connectome, participant, scan, quality, findings, question or Question()
        )
        return self.predict_with_notes(
            asked, research=research, device=device, threads=threads, progress=progress
        )[0]

    def predict_with_notes(
        self,
        asked: Asked,
        *,
        research: bool = False,
        device: str = "auto",
        threads: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Prediction, str, tuple[str, ...]]:
        """Answer, the device that computed it, and notes (fallbacks).

        Parameters
        ----------
        asked
            The measured scan and the user's question.
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
            For an unknown device, or when memory is short everywhere.
        """
        progress = progress or Progress()
        signals, connectome = asked.signals, asked.connectome
        reasons = failed_gates(self.card, asked)
        if (reasons and not research) or not computable(self.card, signals, connectome):
            if not comparable(self.card, asked):
                return withheld(self.summary, reasons), "cpu", ()
            novelty, used, notes = self._likeness(signals, connectome, device)
            reasons = (*reasons, *novelty_gate(novelty))
            return withheld(self.summary, reasons, novelty), used, notes
        covariates = scan_covariates(self.card.covariates, asked.participant, signals)

        def work(where: str, batch: int) -> Answer:
            with fixed_threads(), torch.no_grad():
                model = self.scan_model(where)
                return model.answer(signals, connectome, covariates, batch, progress)

        answer, used, notes = self.on_device(work, device)
        reasons = (*reasons, *novelty_gate(answer.novelty))
        if reasons and not research:
            return withheld(self.summary, reasons, answer.novelty), used, notes
        return self._prediction(asked, answer, reasons), used, notes

    def _likeness(
        self, signals: CleanSignals, connectome: Connectome, device: str
    ) -> tuple[Novelty, str, tuple[str, ...]]:
        """How unlike the training participants a scan is that gets no number."""

        def work(where: str, batch: int) -> Novelty:
            with fixed_threads(), torch.no_grad():
                return self.scan_model(where).likeness(signals, connectome, batch)

        return self.on_device(work, device)

    def explain_with_notes(
        self,
        explain: Callable[[ScanFunctions], T],
        signals: CleanSignals,
        connectome: Connectome,
        *,
        device: str = "auto",
    ) -> tuple[T | None, str, tuple[str, ...]]:
        """Explain one scan on a device; None where the model has no gradients.

        Parameters
        ----------
        explain
            Gets the model as differentiable functions of this scan.
        signals, connectome
            The measured scan.
        device
            "auto", "cuda", "mps" or "cpu"; memory that runs out leads to the CPU.

        Returns
        -------
        explanation, device used, notes
        """

        def work(where: str, batch: int) -> T | None:
            sparing = _is_sparing(Attempt(where, batch))
            functions = self._scan_functions(signals, connectome, where, sparing=sparing)
            return None if functions is None else explain(functions)

        # gradients keep what every window went through, unless memory is spared
        starts = window_starts(len(signals.cleaned), self.contract.window_frames)
        return self.on_device(work, device, windows=len(starts), backward=True)

    def differentiable(
        self, signals: CleanSignals, connectome: Connectome, *, device: str = "auto"
    ) -> ScanFunctions:
        """The model as functions of this scan's series and matrix, for attribution.

        Raises
        ------
        ModelError
            ``model.not_computable`` when the scan does not have the model's shape,
            ``model.no_gradients`` when the model cannot be explained.
        """
        found = self._scan_functions(signals, connectome, choose_device(device)[0])
        if found is None:
            raise ModelError(
                NO_EXPLANATION,
                "Its number stands without an explanation.",
                code="model.no_gradients",
            )
        return found

    def _scan_functions(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        device: str,
        *,
        sparing: bool = False,
    ) -> ScanFunctions | None:
        if not computable(self.card, signals, connectome):
            raise ModelError(
                "This scan does not have the shape that the model needs.",
                "Nothing can be explained where nothing can be computed.",
                code="model.not_computable",
            )
        return self.scan_model(device).scan_functions(signals, connectome, sparing=sparing)

    def on_device(
        self, work: Callable[[str, int], T], wish: str, *, windows: int = 1, backward: bool = False
    ) -> tuple[T, str, tuple[str, ...]]:
        """Run `work(device, windows at a time)` where `wish` leads, with every fallback.

        Parameters
        ----------
        work
            What to do; it is begun anew on each attempt.
        wish
            "auto", "cuda", "mps" or "cpu".
        windows
            How many windows the work keeps in memory together, unless it is told to spare it.
        backward
            Whether gradients are taken.

        Returns
        -------
        what `work` returned, device used, notes
        """
        chosen, note = choose_device(wish)
        notes = (note,) if note else ()
        if chosen not in self.architecture.devices:
            if wish not in ("auto", "cpu"):
                notes = (*notes, f"This model computes on the cpu only, not on {chosen}.")
            chosen = "cpu"

        def need(attempt: Attempt) -> int:
            kept = 1 if _is_sparing(attempt) else windows
            one_way = self.architecture.need_bytes(self.card, max(attempt.batch, kept))
            return BACKWARD * one_way if backward else one_way

        attempts, planned = plan(chosen, need)

        def checked(where: str, batch: int) -> T:
            if where != "cpu":
                self._check_device(where)
            return work(where, batch)

        answer, used, fallen = run_with_fallback(checked, attempts)
        return answer, used, (*notes, *planned, *fallen)

    def _check_device(self, device: str) -> None:
        """Refuse a device whose answer to the made-up scan would move a probability too far."""
        most = self.card.fields.reproducibility.probability_tolerance
        apart = abs(self.scan_model(device).canary() - self.canary_log_odds)
        # a sigmoid is nowhere steeper than 1/4
        if not 0.25 * self.card.calibration.slope * apart <= most:
            raise UnfitDeviceError(device)

    def _prediction(self, asked: Asked, answer: Answer, reasons: tuple[str, ...]) -> Prediction:
        low, high = answer.interval
        if reasons:
            outcome = Outcome.WITHHELD
        elif low <= self.summary.cutoff <= high:
            outcome = Outcome.INCONCLUSIVE
            reasons = (
                f"The 95 % interval spans the cut-off of {percent(self.summary.cutoff)}: the model "
                "cannot tell to which side this participant belongs",
            )
        else:
            outcome = Outcome.RESULT
        rival = self.statistics if self.architecture.own_file else self.tensors
        return Prediction(
            outcome=outcome,
            reasons=reasons,
            model=self.summary,
            probability=answer.probability,
            interval=answer.interval,
            log_odds=answer.log_odds,
            log_odds_windows=answer.windows,
            covariate_probability=covariate_probability(
                self.card, rival, asked.participant, asked.signals
            ),
            contributions=answer.contributions,
            contributions_exact=answer.contributions_exact,
            novelty=answer.novelty,
            conformal=conformal_set(self.card.fields.conformal, answer.probability),
            research_only=outcome is Outcome.WITHHELD,
        )


def _is_sparing(attempt: Attempt) -> bool:
    """One window at a time on a graphics card: what is smallest there."""
    return attempt.device != "cpu" and attempt.batch == 1


def load_bundle(model_id_or_dir: str | Path) -> Bundle:
    """Load an installed model by id (a text), or one in a folder (a `Path`, or text with a "/").

    Raises
    ------
    ModelError
        When anything about card or weights is not exactly as it must be.
    """
    folder = Path(model_id_or_dir)
    if isinstance(model_id_or_dir, str) and folder.name == model_id_or_dir:
        folder = bundle_folder(model_id_or_dir)
    stamps = tuple(
        (folder / name).stat().st_mtime_ns if (folder / name).is_file() else 0
        for name in (CARD_FILE, WEIGHTS_FILE, STATISTICS_FILE, SEAL_FILE)
    )
    return _load(folder.resolve(), stamps)


@lru_cache(maxsize=2)
def _load(folder: Path, _stamps: tuple[int, ...]) -> Bundle:
    card = read_card(folder)
    architecture = find_architecture(card)
    pinned = card.fields.weights
    weights = read_tensors(folder / WEIGHTS_FILE, pinned.sha256)
    statistics = {}
    if architecture.own_file:
        if pinned.statistics_sha256 is None:
            raise card_error("weights.statistics_sha256 is missing; this architecture needs it")
        statistics = read_tensors(folder / STATISTICS_FILE, pinned.statistics_sha256)
    elif pinned.statistics_sha256 is not None:
        raise card_error("weights.statistics_sha256 names a file that this architecture lacks")
    architecture.check(card, weights, statistics)
    kept = {} if architecture.own_file else weights
    bundle = Bundle(card, folder, architecture, kept, statistics, 0.0)
    found, canary = bundle.scan_model().canary(), card.fields.canary
    if not abs(found - canary.log_odds) <= canary.tolerance:
        raise ModelError(
            f"The model does not give its recorded answer: {found:.6f} instead of "
            f"{canary.log_odds:.6f}.",
            "Reinstall the program; its numerical libraries or the model have changed.",
            code="model.canary",
        )
    return replace(bundle, canary_log_odds=found)
