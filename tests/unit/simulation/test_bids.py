"""The files of a simulated participant, read back with nibabel."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.core.errors import CancelledError
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings
from app.simulation.participant import (
    SimulatedParticipant,
    read_truth,
    simulate_cohort,
    simulate_participant,
)
from app.simulation.scan import SimulatedVolumes
from app.simulation.scanner import ParticipantSettings


@pytest.fixture(scope="module")
def on_disk(
    plain_settings: ParticipantSettings, tmp_path_factory: pytest.TempPathFactory
) -> SimulatedParticipant:
    return simulate_participant(plain_settings, tmp_path_factory.mktemp("bids"))


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_that_the_run_reads_back_with_its_values_and_geometry(
    on_disk: SimulatedParticipant, plain_scan: SimulatedVolumes
) -> None:
    image = nib.load(on_disk.paths.bold)
    assert nib.aff2axcodes(image.affine) == ("L", "A", "S")
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.header.get_zooms()[3] == pytest.approx(2.0)
    assert image.get_data_dtype() == np.int16
    ras = nib.as_closest_canonical(image)
    assert np.array_equal(np.asarray(ras.dataobj), plain_scan.data)
    assert np.allclose(ras.affine, plain_scan.affine, atol=1e-4)
    assert int(image.header["sform_code"]) == 1
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-4)


def test_that_the_sidecar_says_simulated_and_fits_the_stored_axes(
    on_disk: SimulatedParticipant,
) -> None:
    record = json.loads(on_disk.paths.sidecar.read_text())
    assert record["SimulatedBy"].startswith("NeuroResponder app.simulation")
    assert record["SimulatedDrug"] == "Simulated treatment X"
    assert record["RepetitionTime"] == 2.0
    assert record["PhaseEncodingDirection"] == "j-"
    assert len(record["SliceTiming"]) == 25
    assert max(record["SliceTiming"]) < 2.0


def test_that_the_anatomy_is_the_persons_own(on_disk: SimulatedParticipant) -> None:
    image = nib.load(on_disk.paths.t1w)
    values = np.asarray(image.dataobj)
    centre = on_disk.truth.motion_centre_mm
    index = np.rint(np.linalg.inv(image.affine) @ [*centre, 1])[:3].astype(int)
    assert values[tuple(index)] > 300
    assert values[0, 0, 0] < 100


def test_that_the_tables_hold_covariates_treatment_and_pain_and_not_the_response(
    on_disk: SimulatedParticipant,
) -> None:
    lines = (on_disk.paths.dataset / "participants.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "participant_id", "age", "sex", "baseline_pain", "site", "drug", "arm", "time_point",
        "vas_before", "vas_after",
    ]  # fmt: skip
    described = json.loads((on_disk.paths.dataset / "participants.json").read_text())
    assert set(described) == set(lines[0].split("\t")[1:])
    assert lines[1].startswith("sub-0001\t")
    description = json.loads((on_disk.paths.dataset / "dataset_description.json").read_text())
    assert description["BIDSVersion"]
    assert "responder" in (on_disk.paths.dataset / "truth" / "participants.tsv").read_text()


def test_that_the_truth_reads_back(
    on_disk: SimulatedParticipant, plain_scan: SimulatedVolumes
) -> None:
    truth = read_truth(on_disk.paths.truth)
    assert truth.participant == plain_scan.truth.participant
    for name in ("motion", "series", "distortion_mm", "phase_axis", "motion_centre_mm"):
        assert np.array_equal(getattr(truth, name), getattr(plain_scan.truth, name)), name
    points = np.array([[10.0, -20, 30]])
    assert np.array_equal(
        truth.anatomy.template_to_scanner(points),
        plain_scan.truth.anatomy.template_to_scanner(points),
    )
    record = json.loads((on_disk.paths.truth / "truth.json").read_text())
    assert len(record["signature"]["connectivity_parcels"]) == 100


def test_that_files_are_the_same_bytes_twice_and_a_second_call_makes_nothing(
    on_disk: SimulatedParticipant, plain_settings: ParticipantSettings, tmp_path: Path
) -> None:
    again = simulate_participant(plain_settings, tmp_path)
    assert digest(on_disk.paths.dataset) == digest(again.paths.dataset)
    before = again.paths.bold.stat().st_mtime_ns
    simulate_participant(plain_settings, tmp_path)
    assert again.paths.bold.stat().st_mtime_ns == before


def test_that_storage_orientation_changes_the_file_and_not_the_world(
    on_disk: SimulatedParticipant, plain_settings: ParticipantSettings, tmp_path: Path
) -> None:
    turned = replace(plain_settings, scanner=replace(plain_settings.scanner, storage="PSR"))
    other = simulate_participant(turned, tmp_path)
    image = nib.load(other.paths.bold)
    assert nib.aff2axcodes(image.affine) == ("P", "S", "R")
    first = nib.as_closest_canonical(nib.load(on_disk.paths.bold))
    second = nib.as_closest_canonical(image)
    assert np.array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))
    assert np.allclose(first.affine, second.affine, atol=1e-4)
    record = json.loads(other.paths.sidecar.read_text())
    assert record["PhaseEncodingDirection"] == "i"  # to the back, and P grows to the back
    assert record["SliceEncodingDirection"] == "j"


def test_that_a_wrong_repetition_time_stands_in_the_sidecar_only(
    plain_settings: ParticipantSettings, tmp_path: Path
) -> None:
    faulty = replace(
        plain_settings, scanner=replace(plain_settings.scanner, fault="wrong_repetition_time")
    )
    made = simulate_participant(faulty, tmp_path)
    assert json.loads(made.paths.sidecar.read_text())["RepetitionTime"] == 2.5
    assert nib.load(made.paths.bold).header.get_zooms()[3] == pytest.approx(2.0)


def test_that_a_cohort_resumes_and_grows(
    plain_settings: ParticipantSettings, tmp_path: Path
) -> None:
    small = CohortSettings(count=1, seed=9, frames=6)
    first = simulate_cohort(small, tmp_path, scanner=plain_settings.scanner)
    made = first[0].paths.bold.stat().st_mtime_ns
    both = simulate_cohort(replace(small, count=2), tmp_path, scanner=plain_settings.scanner)
    assert both[0].paths.bold.stat().st_mtime_ns == made
    rows = (tmp_path / "participants.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["sub-0000", "sub-0001"]


def test_that_a_cancelled_participant_leaves_nothing(
    plain_settings: ParticipantSettings, tmp_path: Path
) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 16

    with pytest.raises(CancelledError):
        simulate_participant(plain_settings, tmp_path, Progress(cancelled=cancelled))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
