"""A report that came by post: the same scan gives the same number, another scan is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.analysis import analyse
from app.analysis.reopening import TOLERANCE, recompute
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import read_case

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_that_a_report_is_computed_again_to_the_same_number_and_altered_data_are_refused(
    small_participant: SimulatedParticipant, tmp_path: Path
) -> None:
    scan = small_participant.paths.bold
    request = AnalysisRequest(
        scan, tmp_path / "first", threads=1, attribution=False, stage_cache=True
    )
    case = analyse(request, Progress())
    (printed,) = (tmp_path / "first" / case.case_id).glob("*_desc-summary.pdf")
    post = tmp_path / "post"
    post.mkdir()
    pdf = Path(shutil.copy(printed, post / "summary.pdf"))

    found = recompute(pdf, scan, tmp_path / "second", Progress())
    assert found.altered == ()
    assert found.folder == tmp_path / "second" / case.case_id
    again = read_case(found.folder)
    assert case.prediction is not None
    assert again.prediction is not None
    assert case.prediction.probability is not None
    assert again.prediction.probability == pytest.approx(case.prediction.probability, abs=TOLERANCE)

    altered = tmp_path / scan.name
    data = bytearray(scan.read_bytes())
    data[-1] ^= 1
    altered.write_bytes(data)
    shutil.copy(scan.with_name(scan.name.replace(".nii.gz", ".json")), tmp_path)
    with pytest.raises(AppError) as refusal:
        recompute(pdf, altered, tmp_path / "third", Progress())
    assert refusal.value.code == "report.other_scan"
    assert not (tmp_path / "third").exists()
