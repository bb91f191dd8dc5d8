"""Why a model may not answer: every gate that failed, each with what would lift it."""

from __future__ import annotations

import numpy as np

from app.core.results import (
    CleanSignals,
    Connectome,
    Finding,
    Novelty,
    QualityReport,
    Scan,
    Severity,
    Verdict,
)
from app.models.card import Card

NOT_FOR_PEOPLE = "Withheld: no model trained on people is installed"


def failed_gates(
    card: Card,
    signals: CleanSignals,
    connectome: Connectome,
    scan: Scan,
    quality: QualityReport,
    findings: tuple[Finding, ...] = (),
) -> tuple[str, ...]:
    """Gates that can be judged before anything is computed; empty when all are open."""
    contract, reasons = card.contract, []
    if card.summary.simulated and not scan.simulated:
        reasons.append(NOT_FOR_PEOPLE)
    if quality.verdict is Verdict.WITHHELD:
        failed = [m for m in quality.metrics if m.verdict is Verdict.WITHHELD]
        reasons += [
            f"Withheld: {metric.label} is {metric.value:.3g} {metric.unit} ({metric.limit})"
            for metric in failed
        ] or ["Withheld: the quality report does not allow a number"]
    reasons += [
        f"Withheld: {finding.message} {finding.hint}".strip()
        for finding in findings
        if finding.severity is Severity.BLOCKING
    ]
    for what, have, want in (
        ("atlas", signals.atlas, contract.atlas),
        ("template", signals.template, contract.template),
        ("cleaning preset", signals.preset, contract.preset),
    ):
        if have != want:
            reasons.append(f"Withheld: the {what} is {have}; the model was made with {want}")
    off = abs(signals.repetition_time_s - contract.repetition_time_s)
    if not off <= contract.repetition_time_tolerance_s:
        reasons.append(
            f"Withheld: the repetition time is {signals.repetition_time_s:g} s; the model was "
            f"made with {contract.repetition_time_s:g} s"
        )
    return (*reasons, *_shape_gates(card, signals, connectome))


def computable(card: Card, signals: CleanSignals, connectome: Connectome) -> bool:
    """Whether the model can be run at all, gates aside (research mode)."""
    return not _shape_gates(card, signals, connectome)


def _shape_gates(card: Card, signals: CleanSignals, connectome: Connectome) -> tuple[str, ...]:
    contract, reasons = card.contract, []
    frames, parcels = signals.cleaned.shape
    if parcels != contract.parcel_count or connectome.matrix.shape != (parcels, parcels):
        return (f"Withheld: {parcels} parcels; the model needs {contract.parcel_count}",)
    if frames < contract.window_frames:
        reasons.append(
            f"Withheld: {frames} usable frames; the model needs {contract.window_frames}. "
            "A longer scan would lift this"
        )
    values = np.asarray(signals.cleaned)
    lost = np.asarray(
        ~np.isfinite(values).all(axis=0) | ~np.isfinite(connectome.matrix).any(axis=1)
    )
    missing = int(lost.sum())
    if missing > contract.maximum_missing_parcels:
        reasons.append(
            f"Withheld: {missing} parcels are not covered; at most "
            f"{contract.maximum_missing_parcels} may be missing"
        )
    covered = {name for name, out in zip(signals.networks, lost.tolist(), strict=True) if not out}
    empty = sorted(set(signals.networks) - covered)
    if empty:
        reasons.append(f"Withheld: no parcel of the network {empty[0]} is covered")
    if connectome.kind != "pearson":
        reasons.append(f"Withheld: connectivity is '{connectome.kind}', not 'pearson'")
    return tuple(reasons)


def novelty_gate(novelty: Novelty) -> tuple[str, ...]:
    """The reason when a participant is unlike those the model was made from, or nothing."""
    if novelty.verdict is not Verdict.WITHHELD:
        return ()
    return (
        f"Withheld: this scan is unlike those the model was made from (beyond the "
        f"{novelty.limit:g}th percentile of the training participants)",
    )
