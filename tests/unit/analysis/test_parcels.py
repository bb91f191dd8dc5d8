"""Parcel series alone: connectivity always, a number only when everything is stated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.analysis import analyse
from app.analysis.measure import Measurement
from app.analysis.routes import measure_source
from app.connectome.atlases import load_atlas
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Outcome, Severity
from app.preprocessing.quality import LIMITS
from app.study.case_store import read_case
from tests.sample_case import make_sample_case

FRAMES = 210


@pytest.fixture(scope="module")
def values():
    count = len(load_atlas().parcel_names)
    random = np.random.default_rng(8)
    shared = random.normal(0, 1, (FRAMES, 4))
    return shared @ random.normal(0, 1, (4, count)) + random.normal(0, 1, (FRAMES, count))


def write(folder: Path, values: np.ndarray, *, facts: dict | None = None, moved: bool = False):
    """A table in XCP-D's manner, with what is stated beside it."""
    path = folder / "sub-07_task-rest_atlas-HCPEx_stat-mean_timeseries.tsv"
    rows = ["\t".join(load_atlas().parcel_names)]
    rows += ["\t".join(repr(float(v)) for v in row) for row in values]
    path.write_text("\n".join(rows) + "\n")
    path.with_suffix(".json").write_text(json.dumps({"RepetitionTime": 2.0, **(facts or {})}))
    if moved:
        steps = ["n/a", *("0.1" for _ in range(len(values) - 2)), "0.9"]
        table = "framewise_displacement\n" + "\n".join(steps) + "\n"
        (folder / "sub-07_task-rest_desc-confounds_timeseries.tsv").write_text(table)
    return path


def measured(path: Path, out: Path, **options):
    request = AnalysisRequest(path, out, **options)
    return measure_source(request, Measurement(), Progress())


def test_that_connectivity_comes_from_the_series_and_the_number_is_blocked(tmp_path, values):
    found = measured(write(tmp_path, values), tmp_path)
    expected = np.corrcoef(values.T)
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(found.connectome.matrix, expected, atol=1e-9)
    assert found.participant.label == "sub-07" and not found.scan.is_image
    blocking = [f for f in found.findings if f.severity is Severity.BLOCKING]
    assert [f.code for f in blocking] == ["series.not_stated"]
    for words in ("Mean framewise displacement", "quality measures", "how the series were cleaned"):
        assert words in blocking[0].message


def test_that_flagged_frames_of_the_table_beside_do_not_count(tmp_path, values):
    found = measured(write(tmp_path, values, moved=True), tmp_path)
    assert found.connectome.frame_count == FRAMES - 1
    assert not found.signals.good_frames[-1]
    metrics = {metric.name: metric.value for metric in found.quality.metrics}
    assert metrics["mean_fd_power_mm"] == pytest.approx(0.1 + 0.8 / (FRAMES - 1))


STATED = {
    "CleaningPreset": "simple-highpass",
    "Units": "percent",
    "QualityMetrics": {
        limit.name: limit.passes
        for limit in LIMITS
        if limit.name not in ("mean_fd_power_mm", "flagged_percent", "usable_time_s", "frames")
    },
}


def test_that_nothing_is_blocked_when_everything_is_stated(tmp_path, values):
    found = measured(write(tmp_path, values, facts=STATED, moved=True), tmp_path)
    assert not [f for f in found.findings if f.severity is Severity.BLOCKING]
    assert {metric.name for metric in found.quality.metrics} == {limit.name for limit in LIMITS}


@pytest.mark.parametrize("lost", ["CleaningPreset", "Units", "QualityMetrics"])
def test_that_each_thing_that_is_not_stated_blocks(tmp_path, values, lost):
    facts = {key: value for key, value in STATED.items() if key != lost}
    found = measured(write(tmp_path, values, facts=facts, moved=True), tmp_path)
    assert [f.code for f in found.findings if f.severity is Severity.BLOCKING] == [
        "series.not_stated"
    ]


def test_that_a_whole_case_is_written_without_any_image(tmp_path, values):
    out = tmp_path / "out"
    case = analyse(AnalysisRequest(write(tmp_path, values), out, attribution=False))
    assert case.prediction is not None and case.prediction.outcome is Outcome.WITHHELD
    folder = out / case.case_id
    assert read_case(folder).connectome is not None
    names = {path.name for path in folder.rglob("*")}
    assert "sub-07_task-rest_desc-summary.pdf" in names
    assert not [name for name in names if "boldref" in name or "mask" in name]


def test_that_a_table_of_our_own_case_brings_all_that_the_case_knows(tmp_path):
    folder = make_sample_case(tmp_path, Outcome.RESULT)
    case = read_case(folder)
    path = next(folder.glob("*_desc-cleaned_timeseries.tsv"))
    found = measured(path, tmp_path / "out")
    assert np.array_equal(found.signals.cleaned, case.signals.cleaned, equal_nan=True)
    assert found.quality == case.quality and found.scan.sha256 == case.scan.sha256
    content = path.read_text().splitlines()
    path.write_text("\n".join([content[0], *content[2:]]) + "\n")
    with pytest.raises(AppError) as caught:
        measured(path, tmp_path / "out")
    assert caught.value.code == "series.changed"


def test_that_frames_left_out_by_hand_do_not_count_and_stand_in_the_findings(tmp_path, values):
    path = write(tmp_path, values, moved=True)
    found = measured(path, tmp_path, censored_frames=(7, 8, 30))
    assert np.flatnonzero(~found.signals.good_frames).tolist() == [7, 8, 30, FRAMES - 1]
    assert found.connectome.frame_count == FRAMES - 4
    metrics = {metric.name: metric.value for metric in found.quality.metrics}
    assert metrics["usable_time_s"] == 2.0 * (FRAMES - 4)
    told = [f.message for f in found.findings if f.code == "scan.censored_by_hand"]
    assert told == ["3 frames were left out by hand: 7–8, 30 (volumes in the file, first = 0)."]
    with pytest.raises(AppError, match="does not have: 210"):
        measured(path, tmp_path, censored_frames=(FRAMES,))


def test_that_a_case_keeps_which_frames_were_left_out_and_has_an_id_of_its_own(tmp_path, values):
    path = write(tmp_path, values)
    ids = set()
    for frames in ((), (7, 8, 30), (30, 8, 7, 8)):
        case = analyse(AnalysisRequest(path, tmp_path, censored_frames=frames, write_pdf=False))
        ids.add(case.case_id)
        stored = read_case(tmp_path / case.case_id)
        told = stored.provenance.parameters.get("censored_frames", [])
        assert list(told) == sorted(set(frames))
    assert len(ids) == 2


def test_that_a_table_of_a_case_can_be_analysed_with_fewer_frames(tmp_path):
    folder = make_sample_case(tmp_path)
    table = next(folder.glob("*_timeseries.tsv"), None)
    series = list(folder.glob("*_stat-mean_desc-cleaned_timeseries.tsv"))
    before = read_case(folder)
    found = measured(series[0] if series else table, tmp_path, censored_frames=(100, 101))
    good = np.array(before.signals.good_frames)
    good[[96, 97]] = False  # row 0 is volume 4
    np.testing.assert_array_equal(found.signals.good_frames, good)
    assert found.connectome.frame_count == good.sum()
