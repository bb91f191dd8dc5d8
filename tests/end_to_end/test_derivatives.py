"""A case folder as outside tools see it: BIDS derivatives, nilearn's confounds, ITK transforms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.core.results import Case
from app.preprocessing.ants_bridge import import_ants
from app.preprocessing.spatial_map import to_scanner
from app.simulation.participant import SimulatedParticipant

STEM = "sub-0000_task-rest"


@pytest.fixture(scope="module")
def folder(small_case: tuple[Case, Path]) -> Path:
    return small_case[1]


def _json(folder: Path, name: str) -> dict[str, object]:
    return dict(json.loads((folder / name).read_text(encoding="utf-8")))


def test_that_the_folder_is_a_derivative_data_set(
    folder: Path, small_case: tuple[Case, Path]
) -> None:
    described = _json(folder, "dataset_description.json")
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "NeuroResponder"  # type: ignore[index]
    assert described["SourceDatasets"] == [
        {"URL": f"urn:sha256:{small_case[0].scan.sha256}", "Version": "unknown"}
    ]
    names = {path.name for path in folder.iterdir()}
    atlas = f"{STEM}_atlas-HCPEx"
    wanted = {
        f"{STEM}_desc-confounds_timeseries.tsv", f"{STEM}_desc-confounds_timeseries.json",
        f"{STEM}_boldref.nii.gz", f"{STEM}_desc-brain_mask.nii.gz",
        f"{STEM}_label-WM_mask.nii.gz", f"{STEM}_label-CSF_mask.nii.gz",
        f"{STEM}_stat-tsnr_boldmap.nii.gz", f"{STEM}_desc-qc_bold.json",
        f"{atlas}_stat-mean_desc-cleaned_timeseries.tsv",
        f"{atlas}_stat-mean_desc-cleaned_timeseries.json",
        f"{atlas}_stat-coverage_bold.tsv", f"{atlas}_stat-pearsoncorrelation_relmat.tsv",
    }  # fmt: skip
    assert wanted <= names
    for name in names:
        if name.endswith(".json"):
            text = (folder / name).read_text(encoding="utf-8")
            assert "/tmp" not in text, name


def test_that_nilearn_reads_the_confounds_by_every_strategy(
    folder: Path, small_case: tuple[Case, Path], tmp_path: Path
) -> None:
    from nilearn.interfaces.fmriprep import load_confounds

    for ending in ("tsv", "json"):
        name = f"{STEM}_desc-confounds_timeseries.{ending}"
        shutil.copy(folder / name, tmp_path / name)
    bold = tmp_path / f"{STEM}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    bold.touch()  # only its name counts
    signals = small_case[0].signals
    assert signals is not None
    plain, kept = load_confounds(
        str(bold), strategy=["motion", "wm_csf", "global_signal", "high_pass", "scrub"],
        motion="full", wm_csf="full", global_signal="full", fd_threshold=0.5,
        std_dvars_threshold=1.5, scrub=0,
    )  # fmt: skip
    assert plain.shape[0] == len(signals.cleaned)
    assert {"trans_x", "rot_z_derivative1_power2", "csf_power2", "cosine00"} <= set(plain.columns)
    good = np.ones(len(signals.cleaned), bool) if kept is None else np.isin(
        np.arange(len(signals.cleaned)), kept
    )  # fmt: skip
    np.testing.assert_array_equal(good, signals.good_frames)
    for compcor, first in (
        ("anat_combined", "a_comp_cor_00"),
        ("anat_separated", "w_comp_cor_00"),
        ("temporal", "t_comp_cor_00"),
    ):
        noise, _ = load_confounds(
            str(bold), strategy=["high_pass", "compcor"], compcor=compcor, n_compcor=3
        )
        assert first in noise.columns


def test_that_the_quality_record_names_value_limit_and_source(folder: Path) -> None:
    record = _json(folder, f"{STEM}_desc-qc_bold.json")
    assert record["table"]
    metrics = record["metrics"]
    assert isinstance(metrics, dict)
    for metric in metrics.values():
        assert set(metric) == {"value", "unit", "limit", "source", "verdict"}
        assert metric["source"]
    informing = record["informing"]
    assert isinstance(informing, dict)
    assert {"global_correlation", "outlier_ratio", "quality_index", "ghost_ratio_y"} <= set(
        informing
    )
    made = record["preprocessing"]
    assert isinstance(made, dict)
    assert made["interpolation"] == "cubic B-spline"


def test_that_tissue_masks_and_the_map_of_signal_lie_on_the_runs_grid(folder: Path) -> None:
    reference = nibabel.load(folder / f"{STEM}_boldref.nii.gz")
    brain = nibabel.load(folder / f"{STEM}_desc-brain_mask.nii.gz").get_fdata() > 0
    for name in ("label-WM_mask", "label-CSF_mask", "stat-tsnr_boldmap"):
        image = nibabel.load(folder / f"{STEM}_{name}.nii.gz")
        np.testing.assert_allclose(image.affine, reference.affine, atol=1e-4)
        values = image.get_fdata()
        assert values.shape == brain.shape
        assert (values[~brain] == 0).all()
        assert values[brain].any()


def test_that_the_written_transforms_are_those_that_were_used(folder: Path) -> None:
    from app.core.images import SpatialMap

    with np.load(folder / f"{STEM}_from-MNI152NLin2009cAsym_to-boldref_mode-image_xfm.npz") as kept:
        used = SpatialMap(
            "T", kept["affine"], kept["displacement_mm"], kept["displacement_affine"], "", 0, 0, 0,
            (1.0, 1.0),
        )  # fmt: skip
    ants = import_ants()
    head = folder / f"{STEM}_from-boldref_to-MNI152NLin2009cAsym_mode-image"
    affine = ants.read_transform(f"{head}_desc-affine_xfm.txt")
    field = ants.image_read(f"{head}_desc-warp_xfm.nii.gz")
    warp = ants.transform_from_displacement_field(field)
    for point in np.random.default_rng(0).uniform(-40, 40, (6, 3)):
        lps = tuple(point * [-1.0, -1.0, 1.0])
        there = np.asarray(affine.apply_to_point(warp.apply_to_point(lps))) * [-1.0, -1.0, 1.0]
        np.testing.assert_allclose(there, to_scanner(used, point[None])[0], atol=1e-3)


def test_that_the_cache_changes_no_byte_and_a_changed_preset_computes_only_what_follows(
    small_participant: SimulatedParticipant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.analysis.measure import Measured, Measurement, measure
    from app.core.progress import Progress
    from app.core.request import AnalysisRequest

    monkeypatch.setattr("app.analysis.stage_store.stage_folder", lambda: tmp_path / "stages")

    def run(preset: str, *, cache: bool) -> Measured:
        request = AnalysisRequest(
            small_participant.paths.bold, tmp_path / "out", threads=2, stage_cache=cache
        )
        return measure(request, Measurement(preset=preset), Progress())

    stages = ("motion", "reference", "registration", "sampling")
    plain, first = run("simple-highpass", cache=False), run("simple-highpass", cache=True)
    again, other = run("simple-highpass", cache=True), run("cleaned-bandpass", cache=True)
    made = [one.made for one in (plain, first, again, other)]
    assert all(one is not None for one in made)
    computed = [one.stages_computed for one in made if one is not None]
    assert computed == [stages, stages, (), ("sampling",)]
    for one in (first, again):
        np.testing.assert_array_equal(one.signals.cleaned, plain.signals.cleaned)
        np.testing.assert_array_equal(one.connectome.matrix, plain.connectome.matrix)
        np.testing.assert_array_equal(one.boldref.data, plain.boldref.data)
        assert one.quality == plain.quality
        for name, column in plain.signals.confounds.items():
            np.testing.assert_array_equal(one.signals.confounds[name], column)
    slices = next(f for f in other.findings if f.code == "preprocessing.slice_timing")
    assert "corrected to" in slices.message
    names = [path.name for path in (tmp_path / "stages").rglob("*")]
    assert not [name for name in names if "sub-" in name]
