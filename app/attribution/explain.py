"""Both attributions of one scan, their agreement, and nothing that the model did not use.

(a) *branches*: integrated gradients with series and matrix as separate inputs;
(b) *scan*: expected gradients with connectivity recomputed. The model comes in as plain
functions (`ExplainableModel`), so this room knows no architecture.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from app.attribution.agreement import agreement_of
from app.attribution.determinism import deterministic_torch
from app.attribution.expected_gradients import ScanAttribution, expected_gradients
from app.attribution.integrated_gradients import PathAttribution, Score, integrated_gradients
from app.attribution.pathways import joint_expected_gradients, shapley_scores
from app.core.arrays import Floats, frozen
from app.core.progress import Progress
from app.core.results import Attribution, BranchAttribution

TARGET = "uncalibrated log-odds of meeting the responder definition"
METHOD_SUM = "integrated gradients, series and matrix treated as independent inputs"
METHOD_JOINT = (
    "integrated gradients, series and matrix treated as independent inputs; they interact in the "
    "model: mean over both orders (Shapley)"
)


class ExplainableModel(Protocol):
    """What attribution needs of a model and a scan; all tensors on one device."""

    @property
    def series(self) -> Tensor:
        """(frame, parcel), normalised."""

    @property
    def correlation(self) -> Tensor:
        """(parcel, parcel)."""

    @property
    def present(self) -> Tensor:
        """(parcel,) bool, False where not covered."""

    @property
    def baseline_series(self) -> Tensor:
        """(frame, parcel)."""

    @property
    def baseline_correlation(self) -> Tensor:
        """(parcel, parcel)."""

    @property
    def references(self) -> Tensor:
        """(reference, frame, parcel)."""

    @property
    def reference_text(self) -> str:
        """What baselines and references are."""

    def series_log_odds(self, series: Tensor) -> Tensor:
        """Scalar."""

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        """Scalar."""

    def correlation_of(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> (parcel, parcel), differentiable."""


@runtime_checkable
class JointlyExplainable(Protocol):
    """Asked for in addition by models whose branches interact (no sum over branches)."""

    def joint_log_odds(self, series: Tensor, correlation: Tensor) -> Tensor:
        """Scalar."""


def explain(
    model: ExplainableModel, *, patch_frames: int = 0, progress: Progress | None = None
) -> Attribution:
    """Explain one scan's log-odds.

    Parameters
    ----------
    model
        The scan and its functions.
    patch_frames
        Frames of one token of the series encoder, 0 where there is none: kept as the resolution
        of the map in time.
    progress
        Told between nodes; a cancel takes hold there.

    Raises
    ------
    CancelledError
        When a cancel was asked.
    """
    progress = progress or Progress()
    joint = model.joint_log_odds if isinstance(model, JointlyExplainable) else None
    series_score: Score = model.series_log_odds
    matrix_score: Score = model.connectivity_log_odds
    if joint is not None:
        series_score, matrix_score = shapley_scores(
            joint,
            model.series,
            model.correlation,
            model.baseline_series,
            model.baseline_correlation,
        )
    with deterministic_torch():
        series = integrated_gradients(
            series_score,
            model.series,
            model.baseline_series.unsqueeze(0),
            told=lambda done: progress.step(0.3 * done, "what each branch used"),
        )
        matrix = integrated_gradients(
            matrix_score,
            model.correlation,
            model.baseline_correlation.unsqueeze(0),
            told=lambda _done: progress.step(0.3, "what each branch used"),
        )
        progress.step(0.3, "what in the scan mattered")

        def told(done: float) -> None:
            progress.step(0.3 + 0.7 * done, "what in the scan mattered")

        scan = (
            joint_expected_gradients(
                joint, model.correlation_of, model.series, model.references, told=told
            )
            if joint is not None
            else expected_gradients(
                series_score,
                matrix_score,
                model.correlation_of,
                model.series,
                model.references,
                told=told,
            )
        )
    branches = _branches(series, matrix, joint=joint is not None)
    whole = _scan(scan)
    agreement, disagreeing = agreement_of(
        branches.per_parcel, whole.per_parcel, model.present.cpu().numpy()
    )
    return Attribution(
        target=TARGET,
        branches=branches,
        scan=whole,
        agreement=agreement,
        disagreeing=frozen(disagreeing),
        reference=model.reference_text,
        patch_frames=patch_frames,
    )


def _branches(
    series: PathAttribution, matrix: PathAttribution, *, joint: bool
) -> BranchAttribution:
    connections = _numpy(matrix.values)
    return BranchAttribution(
        method=METHOD_JOINT if joint else METHOD_SUM,
        per_parcel_series=frozen(_numpy(series.values).sum(axis=0) + np.diagonal(connections)),
        per_parcel_frame=frozen(np.ascontiguousarray(_numpy(series.values).T)),
        per_connection=frozen(_pairs(connections)),
        completeness_error=series.error + matrix.error,
        output_difference=series.difference + matrix.difference,
        nodes=max(series.nodes, matrix.nodes),
        converged=series.converged and matrix.converged,
        map_change=_larger(series.change, matrix.change),
    )


def _scan(found: ScanAttribution) -> BranchAttribution:
    series, connections = _numpy(found.series), _numpy(found.connections)
    return BranchAttribution(
        method="expected gradients, connectivity recomputed along every path",
        per_parcel_series=frozen(series.sum(axis=0) + np.diagonal(connections)),
        per_parcel_frame=frozen(np.ascontiguousarray(series.T)),
        per_connection=frozen(_pairs(connections)),
        completeness_error=found.error,
        output_difference=found.difference,
        nodes=found.nodes,
        converged=found.converged,
        map_change=found.change,
    )


def _larger(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else max(first, second)


def _pairs(matrix: Floats) -> Floats:
    """Symmetric, zero diagonal; entry (i, j) is what the connection i-j moved, in full.

    A matrix attribution spreads a connection over (i, j) and (j, i); their sum is written in
    both places, so half of a row's sum counts each connection half for either end. A diagonal
    (there is one only in a Gram matrix: a parcel's own power) is no connection; the callers
    count it with the parcel.
    """
    both = matrix + matrix.T
    np.fill_diagonal(both, 0.0)
    return both


def _numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)
