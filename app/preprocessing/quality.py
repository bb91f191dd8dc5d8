"""The quality gate: one versioned table of limits, each with its source; the worst one decides.

*Pass*: a number may be shown. *Attention*: shown with the reason beside it. *Withheld*: no
number. A model card may tighten or move a limit for the data it was made from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.images import SpatialMap
from app.core.results import QualityMetric, QualityReport, Verdict

TABLE_VERSION = "2026-11-3"
PARCEL_COVERAGE_LIMIT = 0.5  # XCP-D min_coverage
SMALLEST_JUDGED_PARCEL = 2  # points; coverage of a single point is all or nothing


@dataclass(frozen=True, slots=True)
class QualityLimit:
    """Two cut-offs on one metric.

    With `more_is_better` a value passes at or above `passes` and is withheld below `withheld`;
    otherwise it passes at or below `passes` and is withheld above `withheld`.
    """

    name: str
    label: str
    unit: str
    passes: float
    withheld: float
    more_is_better: bool
    source: str


LIMITS = (
    QualityLimit(
        "mean_fd_power_mm",
        "Mean framewise displacement (Power)",
        "mm",
        0.25,
        0.5,
        False,
        "convention; calibrate on your own cohort",
    ),
    QualityLimit(
        "flagged_percent",
        "Frames not used (FD > 0.5 mm, std. DVARS > 1.5, by hand)",
        "%",
        20.0,
        50.0,
        False,
        "fMRIPrep and nilearn flags; share is a project default",
    ),
    QualityLimit(
        "usable_time_s",
        "Usable time",
        "s",
        300.0,
        240.0,
        True,
        "240 s XCP-D, 300 s common practice",
    ),
    QualityLimit(
        "frames",
        "Volumes after the steady state",
        "volumes",
        200.0,
        200.0,
        True,
        "window of the model",
    ),
    QualityLimit(
        "temporal_snr",
        "Temporal signal-to-noise, median in the brain",
        "",
        30.0,
        15.0,
        True,
        "convention at 3 T, 3 mm",
    ),
    QualityLimit(
        "low_coverage_percent",
        "Parcels covered by less than half",
        "%",
        0.0,
        10.0,
        False,
        "0.5 per parcel XCP-D; 10 % is a project default",
    ),
    QualityLimit(
        "mask_dice",
        "Brain mask overlap with the template (Dice)",
        "",
        0.92,
        0.85,
        True,
        "project default, not calibrated",
    ),
    QualityLimit(
        "template_similarity",
        "Similarity to the template (correlation in the mask)",
        "",
        0.50,
        0.35,
        True,
        "project default, not calibrated",
    ),
    QualityLimit(
        "edge_offset_mm",
        "Distance to where the edges fit the template best",
        "mm",
        2.5,
        5.0,
        False,
        "calibrated on simulated misregistrations of 1 to 12 mm",
    ),
    QualityLimit(
        "jacobian_min",
        "Smallest local volume change of the warp",
        "",
        0.3,
        0.3,
        True,
        "project default",
    ),
    QualityLimit(
        "jacobian_max",
        "Largest local volume change of the warp",
        "",
        3.0,
        3.0,
        False,
        "project default",
    ),
    QualityLimit(
        "left_right_margin",
        "Left-right test (match as scanned minus match mirrored)",
        "",
        0.3,
        0.1,
        True,
        "project default; simulated heads give 1.1 to 1.3, mirrored ones about -0.1",
    ),
    QualityLimit(
        "residual_degrees_of_freedom",
        "Degrees of freedom left after cleaning",
        "",
        60.0,
        30.0,
        True,
        "project default",
    ),
)


@dataclass(frozen=True, slots=True)
class InformingMeasure:
    """A measure without a limit of its own: it can be compared within one protocol only."""

    name: str
    label: str
    unit: str
    source: str


INFORMING = (
    InformingMeasure(
        "dummy_frames", "Frames before the steady state", "volumes", "rule of fMRIPrep"
    ),
    InformingMeasure(
        "mean_fd_jenkinson_mm",
        "Mean framewise displacement (Jenkinson)",
        "mm",
        "FMRIB TR99MJ1; 0.25 mm is about 0.5 mm (Power)",
    ),
    InformingMeasure(
        "mean_fd_filtered_mm",
        "Mean framewise displacement (Power), breathing filtered out",
        "mm",
        "filters of XCP-D",
    ),
    InformingMeasure(
        "fd_over_0_2_mm_percent", "Frames with FD (Power) above 0.2 mm", "%", "MRIQC's count"
    ),
    InformingMeasure("mean_std_dvars", "Mean standardised DVARS", "", "Nichols; MRIQC"),
    InformingMeasure("uncertain_frames", "Frames whose motion is uncertain", "volumes", "project"),
    InformingMeasure("global_correlation", "Global correlation (GCOR)", "", "Saad 2013; MRIQC"),
    InformingMeasure("outlier_ratio", "Outlier ratio (AOR)", "", "AFNI 3dToutcount; MRIQC"),
    InformingMeasure("quality_index", "Quality index (AQI)", "", "AFNI 3dTqual; MRIQC"),
    InformingMeasure("ghost_ratio_x", "Ghost to signal, left-right", "", "Giannelli 2010; MRIQC"),
    InformingMeasure("ghost_ratio_y", "Ghost to signal, front-back", "", "Giannelli 2010; MRIQC"),
    InformingMeasure(
        "mask_overlap", "Brain mask overlap, of the smaller mask", "", "XCP-D; no limit"
    ),
    InformingMeasure(
        "mutual_information", "Normalised mutual information with the template", "", "no limit"
    ),
)
INFORMS = "informs only; compare within one protocol"


def judge_quality(
    *,
    framewise_displacement_mm: Floats,
    good_frames: Bools,
    repetition_time_s: float,
    temporal_snr: float,
    coverage: Floats,
    spatial_map: SpatialMap,
    left_right_margin: float,
    edge_offset_mm: float,
    residual_degrees_of_freedom: float | None,
    informing: Mapping[str, float] | None = None,
    moved_limits: Mapping[str, tuple[float, float]] | None = None,
) -> QualityReport:
    """Measure every metric against its limits.

    Parameters
    ----------
    framewise_displacement_mm
        (frame,) Power FD of the frames that are used; the first may be NaN.
    good_frames
        (frame,) False = flagged.
    repetition_time_s
        Seconds between frames.
    temporal_snr
        Median over the brain of mean / standard deviation.
    coverage
        (parcel,) 0..1; parcels of a single point left out.
    spatial_map
        How the scan was placed in the template.
    left_right_margin
        From `registration.left_right_margin`, in [-2, 2].
    edge_offset_mm
        From `edge_offset.edge_offset_mm`.
    residual_degrees_of_freedom
        After cleaning; None where the preset cleans nothing by contract, which is not judged.
    informing
        Measures of `INFORMING` by name; they follow the others and judge nothing.
    moved_limits
        Metric name -> (passes, withheld), from a model card.
    """
    values = {
        "mean_fd_power_mm": float(np.nanmean(framewise_displacement_mm)),
        "flagged_percent": 100.0 * float(1.0 - good_frames.mean()),
        "usable_time_s": float(good_frames.sum()) * repetition_time_s,
        "frames": float(len(good_frames)),
        "temporal_snr": temporal_snr,
        "low_coverage_percent": 100.0 * float((coverage < PARCEL_COVERAGE_LIMIT).mean()),
        "mask_dice": spatial_map.mask_dice,
        "template_similarity": spatial_map.similarity_after,
        "edge_offset_mm": edge_offset_mm,
        "jacobian_min": spatial_map.jacobian_range[0],
        "jacobian_max": spatial_map.jacobian_range[1],
        "left_right_margin": left_right_margin,
    }
    if residual_degrees_of_freedom is not None:
        values["residual_degrees_of_freedom"] = residual_degrees_of_freedom
    told = tuple(
        QualityMetric(
            item.name,
            item.label,
            informing[item.name],
            item.unit,
            INFORMS,
            item.source,
            Verdict.PASS,
        )
        for item in INFORMING
        if informing is not None and item.name in informing
    )
    return replace(judge_known(values, moved_limits), informing=told)


def judge_known(
    values: Mapping[str, float], moved_limits: Mapping[str, tuple[float, float]] | None = None
) -> QualityReport:
    """Judge only the metrics that are known, by name, where there were no images to measure on.

    What is missing is not judged here: the caller says so and blocks the number.
    """
    moved = moved_limits or {}
    metrics = tuple(
        _judge(limit, values[limit.name], moved.get(limit.name))
        for limit in LIMITS
        if limit.name in values
    )
    return QualityReport(metrics, worst(metric.verdict for metric in metrics), TABLE_VERSION)


def judge_again(report: QualityReport, values: Mapping[str, float]) -> QualityReport:
    """The report with other values for some of its metrics, against the same limits.

    Names that the report does not hold are left out; `informing` stays.

    Raises
    ------
    ValueError
        A metric's limit is not in the words that `judge_known` writes.
    """
    metrics = tuple(
        _judge_metric_again(metric, values[metric.name]) if metric.name in values else metric
        for metric in report.metrics
    )
    verdict = worst(metric.verdict for metric in metrics)
    return replace(report, metrics=metrics, verdict=verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The strictest of the verdicts given; pass when there is none."""
    order = [Verdict.PASS, Verdict.ATTENTION, Verdict.WITHHELD]
    found = [order.index(verdict) for verdict in verdicts]
    return order[max(found, default=0)]


_LIMIT_TEXT = re.compile(r"pass (≥|≤|>=|<=) (\S+), withheld (?:<|>) (\S+)")


def _judge_metric_again(metric: QualityMetric, value: float) -> QualityMetric:
    found = _LIMIT_TEXT.fullmatch(metric.limit)
    if found is None:
        raise ValueError(f"the limit of {metric.name} cannot be read: {metric.limit}")
    more_is_better = found[1] in ("≥", ">=")
    verdict = _verdict(value, float(found[2]), float(found[3]), more_is_better=more_is_better)
    return replace(metric, value=value, verdict=verdict)


def _verdict(value: float, passes: float, withheld: float, *, more_is_better: bool) -> Verdict:
    signed = 1.0 if more_is_better else -1.0
    if not math.isfinite(value) or signed * value < signed * withheld:
        return Verdict.WITHHELD
    return Verdict.PASS if signed * value >= signed * passes else Verdict.ATTENTION


def _judge(limit: QualityLimit, value: float, moved: tuple[float, float] | None) -> QualityMetric:
    passes, withheld = moved or (limit.passes, limit.withheld)
    verdict = _verdict(value, passes, withheld, more_is_better=limit.more_is_better)
    good, bad = ("≥", "<") if limit.more_is_better else ("≤", ">")
    text = f"pass {good} {passes:g}, withheld {bad} {withheld:g}"
    source = f"model card; {limit.source}" if moved else limit.source
    return QualityMetric(limit.name, limit.label, value, limit.unit, text, source, verdict)
