"""What is stated, known and cleared of the person; names are refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.analysis.measure import participant_and_findings
from app.analysis.recipe import _case_id, _checked, analyse
from app.core.errors import AppError
from app.core.request import AnalysisRequest
from app.models.bundle import load_bundle
from app.worker.requests import analyse_job, packed_request


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A scan whose table states everything; its bytes are never read."""
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tsex\tbaseline_pain\tsite\nsub-03\t45\tF\t6.5\tNorth\n"
    )
    path = tmp_path / "sub-03" / "ses-2" / "func" / "sub-03_ses-2_task-rest_bold.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    return path


def test_that_the_table_fills_only_what_was_neither_stated_nor_cleared(scan: Path) -> None:
    person, _ = participant_and_findings(AnalysisRequest(scan, scan.parent, age_years=0.0))
    assert (person.label, person.session, person.age_years) == ("sub-03", "ses-2", 0.0)
    assert (person.sex, person.baseline_pain, person.site) == ("F", 6.5, "North")
    fields = ("participant_label", "session", "age_years", "sex", "baseline_pain", "site")
    person, _ = participant_and_findings(AnalysisRequest(scan, scan.parent, cleared=fields))
    assert (person.label, person.session) == ("sub-unnamed", "")
    assert person.age_years is person.sex is person.baseline_pain is person.site is None


def test_that_clearing_makes_another_case_and_its_order_does_not(scan: Path) -> None:
    bundle = load_bundle("simulated-demo")
    ids = [
        _case_id(_checked(AnalysisRequest(scan, scan.parent, cleared=cleared)), bundle, "0" * 64)
        for cleared in ((), ("sex", "age_years"), ("age_years", "sex"), ("sex",))
    ]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3


def test_that_what_was_cleared_reaches_the_worker(scan: Path) -> None:
    request = AnalysisRequest(scan, scan.parent, cleared=("age_years",))
    assert packed_request(analyse_job(request).arguments) == request


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ({"participant_label": "Anna Meier"}, "participant.label"),
        ({"session": "1 May"}, "participant.session"),
    ],
)
def test_that_a_name_is_refused_before_any_work(
    stated: dict[str, str], code: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(AppError) as refusal:
        analyse(AnalysisRequest(tmp_path / "not-there.nii", out, **stated))  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert not out.exists()
