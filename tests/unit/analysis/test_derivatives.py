"""fMRIPrep's run through our parcels: planted courses come back, wrong companions are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.analysis.identity import source_sha256
from app.analysis.measure import Measured, Measurement
from app.analysis.routes import measure_source
from app.analysis.space_check import space_findings
from app.connectome.atlases import load_atlas
from app.connectome.templates import load_template
from app.core.errors import AppError
from app.core.images import Image3D
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Severity
from tests.unit.analysis.conftest import REPETITION_TIME_S, SPACE, MadeRun, make_run


def measured(run: MadeRun, out: Path, **options: object) -> Measured:
    request = AnalysisRequest(scan_path=run.bold, out_dir=out, threads=2, **options)  # type: ignore[arg-type]
    return measure_source(request, Measurement(preset="none"), Progress())


@pytest.fixture(scope="session")
def good(derivative: MadeRun, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measured(derivative, tmp_path_factory.mktemp("out"))


def test_that_planted_courses_come_back_in_parcel_order(good, derivative):
    """Every parcel of at least 20 voxels at 4 mm follows its own course best."""
    labels = np.asarray(load_atlas().labels_2mm.data)[::2, ::2, ::2]
    large = np.flatnonzero(np.bincount(labels.ravel())[1:] >= 20)
    assert len(large) > 200
    ours = np.asarray(good.signals.raw)[:, large]
    r = np.corrcoef(ours.T, derivative.series[:, large].T)[: len(large), len(large) :]
    assert (r.argmax(axis=1) == np.arange(len(large))).all()
    assert np.median(np.diag(r)) > 0.9


def test_that_motion_and_confounds_come_from_the_table(good):
    assert good.motion is not None
    displacement = good.signals.confounds["framewise_displacement"]
    assert np.isnan(displacement[0])
    assert np.array_equal(good.motion.framewise_displacement_mm[1:], displacement[1:])
    assert good.signals.repetition_time_s == REPETITION_TIME_S
    assert np.array_equal(good.motion.parameters[:, 3], good.signals.confounds["rot_x"])


def test_that_the_case_says_which_route_it_took(good):
    codes = {finding.code: finding for finding in good.findings}
    assert good.route == "fMRIPrep derivative"
    assert "fMRIPrep 25.2.0" in codes["scan.route_derivatives"].message
    assert codes["derivative.space_verified"].severity is Severity.NOTE
    assert not [f for f in good.findings if f.severity is Severity.BLOCKING]
    metrics = {metric.name: metric for metric in good.quality.metrics}
    assert metrics["mask_dice"].value > 0.95
    assert metrics["mean_fd_power_mm"].value < 0.2


def copied(derivative: MadeRun, folder: Path) -> MadeRun:
    """A run that a test may spoil."""
    func = folder / "sub-01" / "func"
    shutil.copytree(derivative.bold.parent, func)
    return MadeRun(func / derivative.bold.name, func / derivative.table.name, derivative.series)


def refused(run: MadeRun, out: Path, **options: object) -> AppError:
    with pytest.raises(AppError) as caught:
        measured(run, out, **options)
    assert str(run.bold.parent) not in str(caught.value)
    assert not out.exists() or not list(out.iterdir())
    return caught.value


def test_that_the_table_of_another_run_is_noticed_by_its_signal(derivative, tmp_path):
    """[N9] The same number of rows, chosen by the user."""
    run = copied(derivative, tmp_path)
    lines = run.table.read_text().splitlines()
    header = lines[0].split("\t")
    place = header.index("global_signal")
    rows = [line.split("\t") for line in lines[1:]]
    other = np.random.default_rng(3).normal(500, 5, len(rows))
    for row, value in zip(rows, other, strict=True):
        row[place] = repr(float(value))
    chosen = tmp_path / "sub-01_task-rest_run-9_desc-confounds_timeseries.tsv"
    chosen.write_text("\n".join(["\t".join(header), *("\t".join(row) for row in rows)]) + "\n")
    error = refused(run, tmp_path / "out", confounds_path=chosen)
    assert error.code == "derivative.confounds_other_run"


def test_that_a_missing_table_asks_and_a_chosen_one_is_used(derivative, tmp_path):
    run = copied(derivative, tmp_path)
    moved = run.table.with_name(run.table.name.replace("run-1", "run-7"))
    run.table.rename(moved)
    error = refused(run, tmp_path / "out")
    assert error.code == "derivative.choose_confounds" and "1 tables" in error.hint
    short = moved.with_name("short.tsv")
    short.write_text("\n".join(moved.read_text().splitlines()[:-1]) + "\n")
    assert refused(run, tmp_path / "out", confounds_path=short).code == "derivative.confounds_rows"
    first = source_sha256(AnalysisRequest(run.bold, tmp_path, confounds_path=moved))
    assert first != source_sha256(AnalysisRequest(run.bold, tmp_path, confounds_path=short))


def test_that_a_run_in_another_template_is_refused(derivative, tmp_path):
    """[N9] space-"""
    run = copied(derivative, tmp_path)
    for path in run.bold.parent.iterdir():
        path.rename(path.with_name(path.name.replace(SPACE, "space-MNI152NLin6Asym")))
    moved = MadeRun(run.bold.with_name(run.bold.name.replace(SPACE, "space-MNI152NLin6Asym")),
                    run.table, run.series)  # fmt: skip
    assert refused(moved, tmp_path / "out").code == "preprocessing.template_mismatch"


def test_that_a_mask_on_another_grid_is_refused(derivative, tmp_path):
    """[N9]"""
    import nibabel

    run = copied(derivative, tmp_path)
    path = next(run.bold.parent.glob("*mask.nii.gz"))
    image = nibabel.load(path)
    data = np.asarray(image.dataobj)[:-1]
    nibabel.save(nibabel.Nifti1Image(data, image.affine), path)
    assert refused(run, tmp_path / "out").code == "derivative.other_grid"


def test_that_a_space_claim_that_is_wrong_blocks_the_number(tmp_path):
    """The name says 2009cAsym; the head lies 9 mm off."""
    run = make_run(tmp_path / "in", 2, shift_mm=9.0, frames=24)
    found = measured(run, tmp_path / "out").findings
    blocking = [f.code for f in found if f.severity is Severity.BLOCKING]
    assert blocking == ["derivative.space_doubtful"]


@pytest.mark.parametrize(
    ("change", "blocked"),
    [
        (np.eye(4), False),
        (np.diag([1.06, 1.06, 1.06, 1.0]), True),
        (np.diag([0.93, 0.93, 0.93, 1.0]), True),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 5], [0, 0, 1, 0], [0, 0, 0, 1]]), True),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 5], [0, 0, 0, 1]]), True),
    ],
)
def test_that_a_head_that_fits_better_when_moved_is_doubted(change, blocked):
    template = load_template()
    pair = (template.epi_contrast_2mm, template.brain_mask_2mm)
    boldref = Image3D(pair[0].data, change @ pair[0].affine, template.name)
    mask = Image3D(pair[1].data, change @ pair[1].affine, template.name)
    findings = space_findings(boldref, mask, template.name, {template.name: pair})
    assert (findings[0].severity is Severity.BLOCKING) == blocked


def test_that_another_template_that_fits_better_is_named():
    template = load_template()
    pair = (template.epi_contrast_2mm, template.brain_mask_2mm)
    stretched = np.diag([1.05, 1.05, 1.05, 1.0]) @ pair[0].affine
    other = (Image3D(pair[0].data, stretched, "Other"), Image3D(pair[1].data, stretched, "Other"))
    findings = space_findings(*other, template.name, {template.name: pair, "Other": other})
    assert findings[0].code == "derivative.space_doubtful" and "Other" in findings[0].message
