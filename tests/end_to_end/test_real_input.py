"""Real BOLD dynamics through the whole recipe: measured rightly, and answered with *Withheld*.

One scan (`real_input`), one measurement, shared by all tests of this file. No gate is moved.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pypdf import PdfReader

from app.analysis import recipe
from app.analysis.measure import Measured
from app.core import wording
from app.core.images import Image4D, SpatialMap
from app.core.request import AnalysisRequest
from app.core.results import Case, CleanSignals, Motion, Outcome, Prediction
from app.preprocessing.cleaning import clean_series
from app.preprocessing.framewise import framewise_displacement_power
from app.preprocessing.geometry import (
    displacement_at_radius_mm,
    rigid_matrices,
    rigid_parameters,
)
from app.preprocessing.presets import find_preset
from app.preprocessing.sampling import sample_parcels
from app.study.case_store import damaged_files
from tests.end_to_end.real_input import FRAMES, RealInput, make_real_input, parcel_truth

Array = NDArray[Any]

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("brainspace") is None,
        reason="the real resting-state run comes with the package brainspace (extra 'test')",
    ),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

# Fixed before the recipe first saw this scan, and not to be loosened.
#
# Own vertices: on simulated participants the plain correlation of parcel series with the truth
# is about 0.82 (median). Here no breathing, pulse, distortion or drop-out is added, which raises
# it; a parcel's vertices differ among themselves (a vertex follows its parcel's mean with a
# median r of 0.75), fluctuate less than the simulated 1 % and lie in a ribbon thinner than a
# voxel, whose two banks mix, which lowers it. So the simulation's figure, less 0.02. The 5th
# percentile is what a map that lies 4 mm off leaves of perfect parcels (measured on 1 % signals
# in such voxels): worse than that would mean that some parcels were read in the wrong place.
#
# The first scan made for this test missed them (0.71 and 0.47), and the limits were kept. Its
# tissue fluctuated by 1 %, so that a voxel, only partly cortex, showed 0.5 %, and a parcel of the
# atlas, wider than the ribbon, 0.3 %: thermal noise alone took the rest (without it 0.99; the
# oracle transform 0.71 too). A vertex of the run is itself what voxels showed, so the scan, not
# the limit, was wrong, and its amplitude is now tied to that (`real_input.shown_percent`).
OWN_VERTICES_MEDIAN_R = 0.80
OWN_VERTICES_5TH_PERCENTILE_R = 0.50
SMALLEST_PARCEL = 10  # vertices; the mean of fewer is no parcel series to compare with
SHUFFLED_MEDIAN_R = 0.05  # after the mean over parcels, which all brains share, is taken out
# What the limits above cannot tell from noise: the same noisy scan read with the known motion and
# pose. Limits as for simulated scans.
ORACLE_MEDIAN_R, ORACLE_5TH_PERCENTILE_R = 0.99, 0.98
ORACLE_SMALLEST_PARCEL = 20  # sample points
OWN_SIDE_SHARE = 0.95  # of parcels that follow their own vertices more than their homologue's
# The limits of motion estimation are those for simulated scans, at 80 mm from the centre.
MOTION_RADIUS_MM = 80.0
MOTION_MEAN_MM, MOTION_95TH_PERCENTILE_MM, MOTION_MOST_MM = 0.05, 0.10, 0.20
DISPLACEMENT_R, DISPLACEMENT_SLOPE = 0.99, (0.97, 1.03)


@dataclass(frozen=True)
class Runs:
    """The scan, its one measurement, and the two answers to it."""

    real: RealInput
    measured: Measured
    ordinary: Case
    ordinary_folder: Path
    research: Case
    research_folder: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The whole recipe on the scan, then once more in research mode on the same measurement."""
    base = tmp_path_factory.mktemp("real-input")
    kept: list[Measured] = []
    measure = recipe.measure_source

    def measure_once(*arguments: Any) -> Measured:
        # Research mode asks the same of the same scan; only the answer differs.
        if not kept:
            kept.append(measure(*arguments))
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURORESPONDER_HOME", str(base / "home"))
        patch.setattr(recipe, "measure_source", measure_once)
        real = make_real_input(base / "bids" / "sub-realrest" / "func")
        request = AnalysisRequest(real.path, base / "out", device="cpu")
        ordinary = recipe.analyse(request)
        research = recipe.analyse(replace(request, research=True))
        yield Runs(
            real,
            kept[0],
            ordinary,
            request.out_dir / ordinary.case_id,
            research,
            request.out_dir / research.case_id,
        )


# --- what is measured ----------------------------------------------------------------------------


def own_truth(real: RealInput, signals: CleanSignals) -> tuple[Array, Array]:
    """Vertex means through the recipe's own cleaning: (frame, cortical parcel) and vertices."""
    last = signals.first_frame + len(signals.cleaned)
    percent, vertices = parcel_truth(real, slice(signals.first_frame, last))
    preset = find_preset(signals.preset)
    cleaned = clean_series(
        100.0 + percent,
        signals.confounds,
        signals.good_frames,
        signals.repetition_time_s,
        preset,
    )
    return cleaned.percent, vertices


def correlations(first: Array, second: Array) -> Array:
    """Pearson correlation of column k of one with column k of the other, (column,)."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    return np.asarray((a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0)))


def both_series(real: RealInput, signals: CleanSignals) -> tuple[Array, Array, Array]:
    """Good frames of parcels and of their vertices, and which parcels are compared."""
    truth, vertices = own_truth(real, signals)
    good = np.asarray(signals.good_frames)
    count = truth.shape[1]
    found = np.asarray(signals.cleaned)[good, :count]
    compared = (vertices >= SMALLEST_PARCEL) & np.isfinite(found).all(axis=0)
    return found, truth[good], compared


def test_that_parcels_follow_their_own_vertices(runs: Runs) -> None:
    found, truth, compared = both_series(runs.real, runs.measured.signals)
    assert compared.mean() > 0.95
    r = correlations(found, truth)[compared]
    assert np.median(r) >= OWN_VERTICES_MEDIAN_R
    assert np.percentile(r, 5) >= OWN_VERTICES_5TH_PERCENTILE_R


def oracle_series(real: RealInput, measured: Measured) -> tuple[Array, Array]:
    """Parcels read with the known motion and pose, cleaned alike, and points per parcel."""
    stored: Any = nibabel.as_closest_canonical(nibabel.load(real.path))
    signals, motion = measured.signals, measured.motion
    known = known_parameters(real, motion)
    pose = SpatialMap(
        template=signals.template,
        affine=real.head_motion[motion.reference_frame] @ real.pose,
        displacement_mm=None,
        displacement_affine=None,
        method="oracle",
        similarity_before=1.0,
        similarity_after=1.0,
        mask_dice=1.0,
        jacobian_range=(1.0, 1.0),
    )
    sampled = sample_parcels(
        Image4D(np.asarray(stored.dataobj), stored.affine, signals.repetition_time_s),
        replace(motion, parameters=known),
        pose,
        measured.atlas.points,
        measured.mask,
        first_frame=signals.first_frame,
        counted_frames=motion.framewise_displacement_mm <= 0.5,
    )
    cleaned = clean_series(
        sampled.series,
        signals.confounds,
        signals.good_frames,
        signals.repetition_time_s,
        find_preset(signals.preset),
    )
    return cleaned.percent, sampled.points_used


def test_that_parcels_are_read_where_the_oracle_reads_them(runs: Runs) -> None:
    signals = runs.measured.signals
    oracle, points = oracle_series(runs.real, runs.measured)
    good = np.asarray(signals.good_frames)
    found = np.asarray(signals.cleaned)[good]
    oracle = oracle[good]
    compared = np.isfinite(found + oracle).all(axis=0) & (points >= ORACLE_SMALLEST_PARCEL)
    assert compared.sum() > 380
    r = correlations(found, oracle)[compared]
    assert np.median(r) >= ORACLE_MEDIAN_R
    assert np.percentile(r, 5) >= ORACLE_5TH_PERCENTILE_R


def test_that_shuffled_parcels_follow_nothing(runs: Runs) -> None:
    found, truth, compared = both_series(runs.real, runs.measured.signals)
    found, truth = found[:, compared], truth[:, compared]
    found = found - found.mean(axis=1, keepdims=True)
    truth = truth - truth.mean(axis=1, keepdims=True)
    order = np.random.default_rng(5).permutation(found.shape[1])
    r = correlations(found[:, order], truth[:, np.roll(order, 1)])
    assert abs(np.median(r)) <= SHUFFLED_MEDIAN_R
    assert np.median(correlations(found, truth)) > 10 * abs(np.median(r))


def test_that_left_stays_left(runs: Runs) -> None:
    found, truth, compared = both_series(runs.real, runs.measured.signals)
    half = found.shape[1] // 2
    assert set(runs.measured.signals.hemispheres[:half]) == {"L"}
    pairs = compared[:half] & compared[half:]
    for side, other in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        own = correlations(found[:, side], truth[:, side])[pairs]
        mirrored = correlations(found[:, side], truth[:, other])[pairs]
        assert (own > mirrored).mean() >= OWN_SIDE_SHARE
        assert np.median(own) > np.median(mirrored)


def motion_errors_mm(real: RealInput, motion: Motion) -> Array:
    """RMS displacement of each frame's estimate from the known motion, (frame,)."""
    known = real.head_motion @ np.linalg.inv(real.head_motion[motion.reference_frame])
    return displacement_at_radius_mm(
        known, rigid_matrices(motion), motion.centre_mm, MOTION_RADIUS_MM
    )


def known_parameters(real: RealInput, motion: Motion) -> Array:
    """The known motion in the estimate's own convention, (frame, 6)."""
    known = real.head_motion @ np.linalg.inv(real.head_motion[motion.reference_frame])
    return np.stack([rigid_parameters(matrix, motion.centre_mm) for matrix in known])


def test_that_the_known_motion_is_found(runs: Runs) -> None:
    motion = runs.measured.motion
    assert motion.parameters.shape == (FRAMES, 6)
    errors = motion_errors_mm(runs.real, motion)
    assert errors.mean() <= MOTION_MEAN_MM
    assert np.percentile(errors, 95) <= MOTION_95TH_PERCENTILE_MM
    assert errors.max() <= MOTION_MOST_MM
    known = framewise_displacement_power(known_parameters(runs.real, motion))[1:]
    found = np.asarray(motion.framewise_displacement_mm)[1:]
    assert np.corrcoef(known, found)[0, 1] >= DISPLACEMENT_R
    low, high = DISPLACEMENT_SLOPE
    assert low <= np.polyfit(known, found, 1)[0] <= high
    assert motion.uncertain_frames == ()


# --- what is answered ----------------------------------------------------------------------------


def pdf_pages(folder: Path) -> list[str]:
    (path,) = folder.glob("*_desc-summary.pdf")
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(path).pages]


def pdf_text(folder: Path) -> str:
    return " ".join(pdf_pages(folder))


def prediction_of(case: Case) -> Prediction:
    assert case.prediction is not None
    return case.prediction


NUMBERS = (
    "probability",
    "interval",
    "log_odds",
    "log_odds_windows",
    "covariate_probability",
    "contributions",
)


def test_that_the_job_ends_in_its_summary_without_a_number(runs: Runs) -> None:
    case, folder = runs.ordinary, runs.ordinary_folder
    prediction = prediction_of(case)
    assert not case.scan.simulated
    assert case.scan.space == "scanner"
    assert case.scan.storage_orientation == "LAS"
    assert case.scan.repetition_time_s == pytest.approx(1.4)
    assert prediction.outcome is Outcome.WITHHELD
    assert any("no model trained on people is installed" in why for why in prediction.reasons)
    assert not prediction.research_only
    assert {name: getattr(prediction, name) for name in NUMBERS} == dict.fromkeys(NUMBERS)
    assert case.attribution is None
    assert not damaged_files(folder)
    text = pdf_text(folder)
    assert "no model trained on people is installed" in text.lower()
    assert "withheld" in text.lower()
    assert wording.RUO_LINE in text
    assert wording.RESEARCH_STAMP not in text
    assert wording.SIMULATED_STAMP not in text
    assert wording.PROBABILITY_LABEL not in text


def test_that_no_file_of_the_ordinary_run_holds_what_research_mode_computed(runs: Runs) -> None:
    folder = runs.ordinary_folder
    record = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    assert record["outcome"] == "withheld"
    assert record["probability"] is None
    assert record["interval"] is None
    assert not list(folder.rglob("*attribution*"))
    prediction = prediction_of(runs.research)
    assert prediction.probability is not None
    assert prediction.interval is not None
    assert prediction.log_odds is not None
    secret = [prediction.probability, *prediction.interval, prediction.log_odds]
    told = pdf_text(folder) + "".join(
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in (".json", ".html", ".tsv")
    )
    assert len(told) > 10_000
    for value in secret:
        assert f"{abs(value):.8f}"[:-1] not in told
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert not [name for name in arrays.files if "attribution" in name or "log_odds" in name]


def test_that_research_mode_computes_stamps_and_explains(runs: Runs) -> None:
    case = runs.research
    prediction = prediction_of(case)
    assert prediction.research_only
    assert prediction.outcome is Outcome.WITHHELD
    assert any("no model trained on people is installed" in why for why in prediction.reasons)
    assert prediction.probability is not None
    assert 0.0 < prediction.probability < 1.0
    assert case.attribution is not None
    assert np.isfinite(case.attribution.agreement)
    for branch in (case.attribution.branches, case.attribution.scan):
        for item in fields(branch):
            value = getattr(branch, item.name)
            if item.name not in ("method", "converged"):
                assert np.isfinite(value).all(), item.name
        assert isinstance(branch.converged, bool)
        assert np.abs(branch.per_parcel).max() > 0
    pages = pdf_pages(runs.research_folder)
    assert len(pages) > len(pdf_pages(runs.ordinary_folder))  # those of the explanation
    assert all(wording.RESEARCH_STAMP in page for page in pages)
    (html,) = runs.research_folder.glob("*_desc-summary.html")
    assert wording.RESEARCH_STAMP in html.read_text(encoding="utf-8")
    # The measurement itself is the same, whatever was asked of the model.
    assert runs.ordinary.signals is not None
    assert case.signals is not None
    np.testing.assert_array_equal(case.signals.cleaned, runs.ordinary.signals.cleaned)


def test_that_no_gate_was_moved_for_this_scan(runs: Runs) -> None:
    from app.models.bundle import load_bundle
    from app.preprocessing.quality import TABLE_VERSION

    assert runs.ordinary.quality is not None
    assert runs.ordinary.quality.table_version == TABLE_VERSION
    moved = load_bundle("simulated-demo").contract.quality_limits
    for metric in runs.ordinary.quality.metrics:
        assert metric.source.startswith("model card") == (metric.name in moved)
