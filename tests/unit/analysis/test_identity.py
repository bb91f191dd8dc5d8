"""The identity of a source: whatever decides the answer or whose it is makes another case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.analysis.identity import UNREADABLE, source_sha256
from app.analysis.making import stages_of, t1_sha256
from app.analysis.opening import open_images, scan_sha256
from app.analysis.recipe import _case_id
from app.connectome.templates import load_template
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from tests import dicom_files
from tests.unit.analysis.conftest import save

AFFINE = np.diag([-3.0, 3.0, 4.0, 1.0])
SHAPE = (9, 8, 7, 30)
TIMES = [0.2 * index for index in range(SHAPE[2])]


@pytest.fixture
def bold(tmp_path: Path) -> Path:
    """A small run in a dataset with an inherited sidecar and a table of participants."""
    func = tmp_path / "data" / "sub-01" / "func"
    func.mkdir(parents=True)
    root = tmp_path / "data"
    (root / "dataset_description.json").write_text("{}")
    (root / "task-rest_bold.json").write_text('{"SimulatedBy": "NeuroResponder app.simulation"}')
    (root / "participants.tsv").write_text(
        "participant_id\tage\tsex\tbaseline_pain\tsite\nsub-01\t51\tF\t6.5\tA\n"
    )
    path = save(func / "sub-01_task-rest_bold.nii", noise(), AFFINE, 2.0)
    facts = {"RepetitionTime": 2.0, "TaskName": "rest", "SliceTiming": TIMES}
    path.with_suffix(".json").write_text(json.dumps(facts))
    return path


def noise() -> Any:
    return np.random.default_rng(3).integers(500, 900, SHAPE).astype(np.int16)


def identity(bold: Path) -> str:
    return source_sha256(AnalysisRequest(bold, bold.parent))


def stated(**facts: object) -> Callable[[Path], Path]:
    def change(bold: Path) -> Path:
        sidecar = bold.with_suffix(".json")
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **facts}))
        return bold

    return change


def table(old: str, new: str) -> Callable[[Path], Path]:
    def change(bold: Path) -> Path:
        path = bold.parents[2] / "participants.tsv"
        path.write_text(path.read_text().replace(old, new))
        return bold

    return change


def without_marker(bold: Path) -> Path:
    (bold.parents[2] / "task-rest_bold.json").unlink()
    return bold


def damaged_sidecar(bold: Path) -> Path:
    bold.with_suffix(".json").write_text("{")
    return bold


def renamed(name: str) -> Callable[[Path], Path]:
    def change(bold: Path) -> Path:
        bold.with_suffix(".json").rename(bold.with_name(f"{name}.json"))
        return bold.rename(bold.with_name(f"{name}.nii"))

    return change


def with_fieldmap(bold: Path) -> Path:
    folder = bold.parents[1] / "fmap"
    folder.mkdir()
    (folder / "sub-01_phasediff.nii").write_bytes(b"x")
    return bold


def other_voxels(bold: Path) -> Path:
    return save(bold, noise() + 1, AFFINE, 2.0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(stated(RepetitionTime=2.5), id="repetition-time"),
        pytest.param(stated(SliceTiming=TIMES[::-1]), id="slice-times"),
        pytest.param(stated(Manufacturer="other"), id="scanner"),
        pytest.param(without_marker, id="simulated"),
        pytest.param(damaged_sidecar, id="damaged-sidecar"),
        pytest.param(table("51", "52"), id="age"),
        pytest.param(table("6.5", "7"), id="pain"),
        pytest.param(table("\tF", "\tM"), id="sex"),
        pytest.param(table("\tA", "\tB"), id="site"),
        pytest.param(renamed("sub-02_task-rest_bold"), id="label"),
        pytest.param(renamed("sub-01_ses-2_task-rest_bold"), id="session"),
        pytest.param(renamed("sub-01_task-rest_space-MNI152NLin6Asym_bold"), id="space"),
        pytest.param(with_fieldmap, id="fieldmap"),
        pytest.param(other_voxels, id="voxels"),
    ],
)
def test_that_what_changes_the_answer_or_the_person_is_another_source(
    bold: Path, change: Callable[[Path], Path]
) -> None:
    before = identity(bold)
    assert before != UNREADABLE
    after = identity(change(bold))
    assert after not in (before, UNREADABLE)


def test_that_the_same_facts_written_otherwise_are_the_same_source(bold: Path) -> None:
    before = identity(bold)
    sidecar = bold.with_suffix(".json")
    facts = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(dict(reversed(facts.items())), indent=4))
    assert identity(bold) == before


def test_that_a_sidecar_nested_too_deep_is_no_crash(bold: Path) -> None:
    before = identity(bold)
    bold.with_suffix(".json").write_text('{"a": ' + "[" * 900 + "]" * 900 + "}")
    assert identity(bold) not in (before, UNREADABLE)


def test_that_both_files_of_a_pair_count(tmp_path: Path) -> None:
    import nibabel

    def pair(name: str, values: Any) -> AnalysisRequest:
        image = nibabel.Nifti1Pair(values, AFFINE)
        image.header.set_zooms((3.0, 3.0, 4.0, 2.0))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, tmp_path / name / "run.img")
        t1 = tmp_path / name / "run.hdr"
        return AnalysisRequest(tmp_path / name / "run.img", tmp_path, t1_path=t1)

    for name in "ab":
        (tmp_path / name).mkdir()
    one, two = pair("a", noise()), pair("b", noise() + 1)
    headers = [request.scan_path.with_suffix(".hdr").read_bytes() for request in (one, two)]
    assert headers[0] == headers[1]
    assert source_sha256(one) != source_sha256(two)
    assert t1_sha256(one) != t1_sha256(two)
    assert scan_sha256(one) == open_images(one, tmp_path / "cache", Progress()).scan.sha256


def test_that_kept_stages_depend_on_times_and_the_marker_does_not_matter(
    bold: Path, tmp_path: Path
) -> None:
    def key(name: str) -> str:
        scan = open_images(AnalysisRequest(bold, tmp_path), tmp_path / name, Progress()).scan
        request = AnalysisRequest(bold, tmp_path)
        return stages_of(request, scan, load_template()).keys["source"]

    first = key("a")
    without_marker(bold)
    assert key("b") == first
    stated(SliceTiming=TIMES[::-1])(bold)
    second = key("c")
    stated(RepetitionTime=2.5)(bold)
    assert len({first, second, key("d")}) == 3


def test_that_the_bytes_of_the_t1_image_decide_the_case(bold: Path, tmp_path: Path) -> None:
    t1 = tmp_path / "t1.nii"
    bundle = cast(Any, SimpleNamespace(identity_sha256="0" * 64))
    names = set()
    for content in (b"one", b"two"):
        t1.write_bytes(content)
        request = AnalysisRequest(bold, tmp_path, t1_path=t1)
        names.add(_case_id(request, bundle, source_sha256(request)))
    assert len(names) == 2


def test_that_all_that_parcel_series_are_judged_by_counts(tmp_path: Path) -> None:
    series = tmp_path / "sub-01_task-rest_atlas-HCPEx_timeseries.tsv"
    series.write_text("a\tb\n1\t2\n")
    sidecar = tmp_path / "sub-01_task-rest_timeseries.json"
    confounds = tmp_path / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    (tmp_path / "dataset_description.json").write_text("{}")
    seen = [identity(series)]
    for path, text in (
        (sidecar, '{"RepetitionTime": 2}'),
        (sidecar, '{"RepetitionTime": 2.5}'),
        (confounds, "framewise_displacement\nn/a\n"),
        (confounds, "framewise_displacement\n0.5\n"),
        (tmp_path / "participants.tsv", "participant_id\tage\nsub-01\t51\n"),
    ):
        path.write_text(text)
        seen.append(identity(series))
    seen.append(source_sha256(AnalysisRequest(series, tmp_path, atlas="A424")))
    assert len(set(seen)) == 7
    assert UNREADABLE not in seen


def test_that_all_that_belongs_to_a_derivative_counts(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    func = tmp_path / "sub-01" / "func"
    func.mkdir(parents=True)
    base, space = "sub-01_task-rest", "space-MNI152NLin2009cAsym"
    bold = func / f"{base}_{space}_desc-preproc_bold.nii.gz"
    mask = func / f"{base}_{space}_desc-brain_mask.nii.gz"
    table = func / f"{base}_desc-confounds_timeseries.tsv"
    for path in (bold, mask, table):
        path.write_bytes(b"1")
    seen = [identity(bold)]
    for path, text in (
        (mask, "2"),
        (table, "2"),
        (func / f"{base}_{space}_boldref.nii.gz", "1"),
        (func / f"{base}_{space}_desc-preproc_bold.json", '{"RepetitionTime": 2}'),
        (tmp_path / "participants.tsv", "participant_id\tage\nsub-01\t51\n"),
        (tmp_path / "dataset_description.json", '{"GeneratedBy": [{"Name": "other"}]}'),
    ):
        path.write_text(text)
        seen.append(identity(bold))
    assert len(set(seen)) == 7
    assert UNREADABLE not in seen


def test_that_a_source_that_cannot_be_read_is_told_by_its_door(tmp_path: Path) -> None:
    assert identity(tmp_path / "absent.nii") == UNREADABLE


def test_that_a_dicom_series_is_the_same_case_under_any_names_and_no_other(tmp_path: Path) -> None:
    """Names, folders and their order say nothing; one bit of one pixel makes another case."""
    protocol = dicom_files.oblique(frames=20, slices=4)
    items = dicom_files.mosaic(protocol, dicom_files.truth_voxels(protocol))
    bundle = cast(Any, SimpleNamespace(identity_sha256="0" * 64))

    def case(folder: Path) -> str:
        request = AnalysisRequest(folder, tmp_path / "out", participant_uuid="same")
        source = source_sha256(request)
        assert source != UNREADABLE
        return _case_id(request, bundle, source)

    one = case(dicom_files.save(items, tmp_path / "one"))
    for index, item in enumerate(reversed(items)):
        dicom_files.save([item], tmp_path / "two" / f"{index % 3}", lambda _, n=index: f"{n}.ima")
    assert case(tmp_path / "two") == one
    for which in (0, 7, len(items) - 1):
        path = tmp_path / "one" / f"IM{which:05d}"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert case(tmp_path / "one") != one
        path.write_bytes(whole)
    assert case(tmp_path / "one") == one
