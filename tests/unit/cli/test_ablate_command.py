"""`experiment ablate` through the command itself: case folders, a table of volumes, every part.

Twelve parcels and an encoder of that size; everything else is what a user's run goes through.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tomli_w import dumps

from app.cli.main import main
from app.cohort.experiments import running
from app.cohort.learn import contenders
from app.core.arrays import frozen
from app.core.aseg import ASEG_VOLUMES
from app.models import fmm_tc_settings
from app.study.case_store import write_case
from tests.sample_case import sample_case
from tests.unit.cohort.learn.encoders import FMM_TC_TRAINING, tiny_place
from tests.unit.cohort.learn.small import make_cohort, plan_values

PEOPLE = 44
PROTOCOL = {
    "outer_folds": 2, "inner_folds": 2, "repeats": 1, "permutations": 2,
    "bootstrap_repeats": 100, "learning_curve": False, "leave_one_site_out": False,
}  # fmt: skip


def write_cases(prepared: Path, folder: Path) -> None:
    """A case folder for each prepared scan, raw series in scanner units beside cleaned ones."""
    sample = sample_case(attribution=False)
    assert sample.signals is not None
    for number, path in enumerate(sorted(prepared.glob("*.npz"))):
        with np.load(path) as scan:
            cleaned = scan["cleaned"].astype(float)
        frames, parcels = cleaned.shape
        level = 600.0 + 30.0 * np.arange(parcels) + number  # no two parcels, no two people alike
        first = sample.signals
        signals = replace(
            first,
            parcel_names=first.parcel_names[:parcels],
            networks=first.networks[:parcels],
            hemispheres=first.hemispheres[:parcels],
            centroids_mm=frozen(np.asarray(first.centroids_mm)[:parcels]),
            raw=frozen(level * (1.0 + cleaned / 100.0)),
            cleaned=frozen(cleaned),
            good_frames=frozen(np.ones(frames, bool)),
            coverage=frozen(np.ones(parcels)),
            confounds={name: frozen(one[:frames]) for name, one in first.confounds.items()},
        )
        matrix = np.corrcoef(cleaned.T)
        np.fill_diagonal(matrix, 0.0)
        assert sample.connectome is not None
        case = replace(
            sample,
            case_id=f"5a3c0de0{number:08x}",
            participant=replace(sample.participant, label=path.stem.removeprefix("cohort_")),
            signals=signals,
            connectome=replace(sample.connectome, matrix=frozen(matrix)),
            prediction=None,
        )
        write_case(case, folder)


def write_volumes(folder: Path, people: int) -> Path:
    """What ``asegstats2table`` writes."""
    rng = np.random.default_rng(5)
    rows = ["\t".join(("Measure:volume", *ASEG_VOLUMES))]
    for number in range(people):
        values = rng.uniform(1000.0, 9000.0, len(ASEG_VOLUMES))
        rows.append("\t".join((f"sub-{number:03d}", *(f"{one:.1f}" for one in values))))
    path = folder / "volumes.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_that_the_command_judges_the_released_method_and_the_structural_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_cohort(tmp_path, PEOPLE, seed=4)
    write_cases(made.folder, tmp_path / "cases")
    plan = plan_values(
        protocol=PROTOCOL, models={"headline": "fmm-tc", "rivals": ["majority", "covariates"]}
    )
    (tmp_path / "plan.toml").write_text(dumps(plan), encoding="utf-8")
    monkeypatch.setattr(running, "encoder_place", lambda *_: tiny_place())
    monkeypatch.setattr(contenders, "FmmTcTraining", lambda: FMM_TC_TRAINING)
    short = replace(fmm_tc_settings.RELEASED_TRAINING, epochs=2)
    monkeypatch.setattr(fmm_tc_settings, "RELEASED_TRAINING", short)
    out = tmp_path / "out"
    words = [
        "experiment", "ablate", str(made.folder), "--table", str(made.table),
        "--plan", str(tmp_path / "plan.toml"), "--parts", "mode", "structural",
        "--cases", str(tmp_path / "cases"),
        "--volumes", str(write_volumes(tmp_path, PEOPLE)), "--out", str(out),
    ]  # fmt: skip
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "report.pdf" in printed
    result = json.loads((out / "report" / "report.json").read_text("utf-8"))["result"]
    assert len(result) >= 2
    assert all(line in printed for line in result)
    assert "SIMULATED PEOPLE" in printed
    assert "deviation: models.rivals: planned majority, covariates" in printed
    assert any("95 % interval" in line for line in result)

    models = json.loads((out / "evaluation.json").read_text("utf-8"))["models"]
    assert {"fmm-tc", "fmm-tc-faithful", "fmm-tc-structural"} <= set(models)
    for name in ("fmm-tc", "fmm-tc-faithful", "fmm-tc-structural"):
        assert 0.0 <= models[name]["auroc"] <= 1.0
    table = out / "report" / "what-each-part-of-the-fused-model-adds.tsv"
    rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()[1:]]
    assert [row[1] for row in rows] == [
        "as released (raw series, Gram matrix, ResNet-18), our protocol",
        "45 FreeSurfer volumes as a third input",
    ]
    assert all(row[2] != "–" and row[3] != "–" for row in rows)  # judged, not refused
