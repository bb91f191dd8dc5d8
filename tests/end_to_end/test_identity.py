"""Into the folder of an older case: another person's copy of the scan gets its own answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from app.analysis import analyse
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case, Outcome
from app.simulation.participant import SimulatedParticipant

MARKER = "SimulatedBy"


def test_that_the_same_bytes_without_the_simulators_marker_get_no_number(
    small_participant: SimulatedParticipant, small_case: tuple[Case, Path], tmp_path: Path
) -> None:
    older, folder = small_case
    assert older.scan.simulated
    source = small_participant.paths.bold
    bold = tmp_path / "sub-77_task-rest_bold.nii.gz"
    shutil.copyfile(source, bold)
    facts = json.loads(source.with_name(source.name.replace(".nii.gz", ".json")).read_text())
    facts.pop(MARKER, None)
    (tmp_path / "sub-77_task-rest_bold.json").write_text(json.dumps(facts))
    case = analyse(AnalysisRequest(bold, folder.parent, threads=1), Progress())
    assert case.case_id != older.case_id
    assert (case.scan.sha256, case.scan.simulated) == (older.scan.sha256, False)
    assert case.participant.label == "sub-77"
    assert case.prediction is not None
    assert (case.prediction.outcome, case.prediction.probability) == (Outcome.WITHHELD, None)
    [pdf] = (folder.parent / case.case_id).glob("*.pdf")
    assert pdf.name.startswith("sub-77_")
    events: list[str] = []
    again = analyse(
        AnalysisRequest(bold, folder.parent, threads=1), Progress(lambda e: events.append(e.stage))
    )
    assert (again.case_id, events) == (case.case_id, [])  # nothing was computed again
