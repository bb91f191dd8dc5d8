"""What the device did otherwise than asked stands in the case: as finding and in provenance."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.analysis import explaining, recipe
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from tests.unit.reporting.small_case import small_case

NOTE = (
    "Memory ran out on cuda with one window at a time; repeated on cpu with one window at a time."
)


@pytest.fixture
def case() -> Case:
    return small_case()


def explained(case: Case, answer: Any, tmp_path: Path) -> Case:
    bundle: Any = SimpleNamespace(explain_with_notes=lambda *_args, **_named: answer)
    request = AnalysisRequest(tmp_path / "scan.nii", tmp_path)
    return explaining.explained(case, bundle, request.device, Progress())


def test_that_a_fallback_during_the_explanation_is_told_once(case: Case, tmp_path: Path) -> None:
    told = explained(case, (case.attribution, "cpu", (NOTE,)), tmp_path)
    assert [f.message for f in told.findings if f.code == "model.device_fallback"] == [NOTE]
    assert told.provenance is not None
    assert told.provenance.parameters["explanation_device"] == "cpu"
    assert told.provenance.parameters["device_notes"] == [NOTE]
    again = explained(told, (case.attribution, "cpu", (NOTE,)), tmp_path)
    assert again.findings == told.findings


def test_that_a_model_without_gradients_leaves_a_finding_and_is_finished(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = dataclasses.replace(case, attribution=None)
    told = explained(bare, (None, "cpu", ()), tmp_path)
    assert recipe.NOT_EXPLAINED in told.findings
    assert told.attribution is None
    request = AnalysisRequest(tmp_path / "scan.nii", tmp_path, write_pdf=False)
    monkeypatch.setattr(recipe, "damaged_files", lambda _folder: ())
    for stored, finished in ((told, True), (bare, False)):
        monkeypatch.setattr(recipe, "read_case", lambda _folder, stored=stored: stored)
        assert recipe._is_finished(tmp_path, request) is finished


def test_that_a_question_has_its_own_case(tmp_path: Path) -> None:
    bundle: Any = SimpleNamespace(identity_sha256="0" * 64)
    plain = AnalysisRequest(tmp_path / "scan.nii", tmp_path)
    asked = dataclasses.replace(
        plain, question=dataclasses.replace(plain.question, drug="duloxetine")
    )
    other: Any = SimpleNamespace(identity_sha256="1" * 64)  # another card, the same weights
    pairs = ((plain, bundle), (asked, bundle), (plain, other))
    names = {recipe._case_id(*pair, "0" * 64) for pair in pairs}
    assert len(names) == 3
