from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.images import SpatialMap
from app.core.results import QualityReport, Verdict
from app.preprocessing.quality import INFORMING, LIMITS, judge_quality, worst

GOOD_MAP = SpatialMap("T", np.eye(4), None, None, "affine", 0.8, 0.8, 0.95, (0.8, 1.2))


def _judge(**changes: object) -> QualityReport:
    facts: dict[str, object] = {
        "framewise_displacement_mm": np.r_[np.nan, np.full(229, 0.1)],
        "good_frames": np.ones(230, bool),
        "repetition_time_s": 2.0,
        "temporal_snr": 60.0,
        "coverage": np.ones(426),
        "spatial_map": GOOD_MAP,
        "left_right_margin": 1.1,
        "edge_offset_mm": 0.0,
        "residual_degrees_of_freedom": 150.0,
    }
    return judge_quality(**{**facts, **changes})  # type: ignore[arg-type]


def test_that_a_good_scan_passes_every_gate() -> None:
    report = _judge()
    assert report.verdict is Verdict.PASS
    assert [metric.name for metric in report.metrics] == [limit.name for limit in LIMITS]


@pytest.mark.parametrize(
    ("changes", "gate", "verdict"),
    [
        ({"framewise_displacement_mm": np.full(230, 0.25)}, "mean_fd_power_mm", "pass"),
        ({"framewise_displacement_mm": np.full(230, 0.3)}, "mean_fd_power_mm", "attention"),
        ({"framewise_displacement_mm": np.full(230, 0.6)}, "mean_fd_power_mm", "withheld"),
        ({"good_frames": np.arange(230) % 3 > 0}, "flagged_percent", "attention"),
        ({"good_frames": np.arange(230) % 5 > 2}, "flagged_percent", "withheld"),
        ({"good_frames": np.ones(199, bool)}, "frames", "withheld"),
        ({"repetition_time_s": 1.2}, "usable_time_s", "attention"),
        ({"repetition_time_s": 1.0}, "usable_time_s", "withheld"),
        ({"temporal_snr": 20.0}, "temporal_snr", "attention"),
        ({"temporal_snr": 14.9}, "temporal_snr", "withheld"),
        ({"temporal_snr": float("nan")}, "temporal_snr", "withheld"),
        ({"coverage": np.r_[0.49, np.ones(425)]}, "low_coverage_percent", "attention"),
        ({"coverage": np.r_[np.zeros(43), np.ones(383)]}, "low_coverage_percent", "withheld"),
        ({"spatial_map": replace(GOOD_MAP, mask_dice=0.9)}, "mask_dice", "attention"),
        ({"spatial_map": replace(GOOD_MAP, mask_dice=0.8)}, "mask_dice", "withheld"),
        (
            {"spatial_map": replace(GOOD_MAP, jacobian_range=(0.1, 1.0))},
            "jacobian_min",
            "withheld",
        ),
        (
            {"spatial_map": replace(GOOD_MAP, jacobian_range=(0.5, 3.1))},
            "jacobian_max",
            "withheld",
        ),
        ({"left_right_margin": 0.2}, "left_right_margin", "attention"),
        ({"left_right_margin": -0.1}, "left_right_margin", "withheld"),
        ({"edge_offset_mm": 2.5}, "edge_offset_mm", "pass"),
        ({"edge_offset_mm": 3.0}, "edge_offset_mm", "attention"),
        ({"edge_offset_mm": 5.1}, "edge_offset_mm", "withheld"),
        ({"residual_degrees_of_freedom": 45.0}, "residual_degrees_of_freedom", "attention"),
        ({"residual_degrees_of_freedom": 12.0}, "residual_degrees_of_freedom", "withheld"),
    ],
)
def test_that_each_gate_stands_where_the_table_says(
    changes: dict[str, object], gate: str, verdict: str
) -> None:
    report = _judge(**changes)
    assert {metric.name: metric.verdict.value for metric in report.metrics}[gate] == verdict
    order = ["pass", "attention", "withheld"]
    assert order.index(report.verdict.value) >= order.index(verdict)


def test_that_a_model_card_moves_a_limit_and_says_so() -> None:
    report = _judge(moved_limits={"temporal_snr": (80.0, 70.0)})
    metric = next(item for item in report.metrics if item.name == "temporal_snr")
    assert metric.verdict is Verdict.WITHHELD
    assert metric.source.startswith("model card")


def test_that_the_worst_verdict_decides() -> None:
    assert worst([]) is Verdict.PASS
    assert worst([Verdict.PASS, Verdict.WITHHELD, Verdict.ATTENTION]) is Verdict.WITHHELD


def test_that_degrees_of_freedom_are_not_judged_where_nothing_is_cleaned_by_contract() -> None:
    report = _judge(residual_degrees_of_freedom=None)
    assert report.verdict is Verdict.PASS
    assert "residual_degrees_of_freedom" not in {metric.name for metric in report.metrics}


def test_that_informing_measures_change_no_verdict_and_carry_their_source() -> None:
    report = _judge(informing={"global_correlation": 0.9, "quality_index": float("nan")})
    assert report.verdict is Verdict.PASS
    assert [metric.name for metric in report.informing] == ["global_correlation", "quality_index"]
    assert all(metric.source and "informs only" in metric.limit for metric in report.informing)
    assert {metric.name for metric in report.metrics} == {limit.name for limit in LIMITS}


def test_that_every_limit_names_its_source() -> None:
    assert all(limit.source for limit in LIMITS)
    assert all(item.source for item in INFORMING)
    assert len({item.name for item in (*LIMITS, *INFORMING)}) == len(LIMITS) + len(INFORMING)
