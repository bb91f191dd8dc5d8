"""Two held-out participants, scanned and analysed anew, get the scores that the card states."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.analysis import analyse
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.resources import model_weights_path
from app.simulation.cohort import CohortSettings
from app.simulation.participant import simulate_participant
from app.simulation.scanner import ParticipantSettings

CARD = model_weights_path() / "simulated-demo" / "card.toml"
TOLERANCE_LOG_ODDS = 0.02  # other processors round otherwise; a changed recipe moves far more


def _golden() -> list[dict[str, Any]]:
    return list(tomllib.loads(CARD.read_text(encoding="utf-8"))["golden"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", [0, 1])
def test_that_a_held_out_participant_gets_the_score_of_the_card(which: int, tmp_path: Path) -> None:
    golden = _golden()[which]
    # such as "cohort-11_sub-0080": the cohort's seed and the index in it
    seed, index = (int(part.split("-")[1]) for part in golden["participant"].split("_"))
    person = simulate_participant(
        ParticipantSettings(CohortSettings(count=index + 1, seed=seed), index), tmp_path / "data"
    )
    case = analyse(
        AnalysisRequest(
            person.paths.bold, tmp_path / "out", threads=2, attribution=False, write_pdf=False
        ),
        Progress(),
    )
    assert case.scan.sha256 == golden["scan_sha256"]
    assert case.prediction is not None
    assert case.prediction.log_odds == pytest.approx(golden["log_odds"], abs=TOLERANCE_LOG_ODDS)
