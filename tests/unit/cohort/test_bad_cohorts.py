"""Bad cohorts, fault by fault, through the command line and through the window's job.

Each is one clear message under the same code both ways, leaves nothing half-written and no lock
where labels were not to be read yet; what lies there goes on once the fault is mended.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.main import main
from app.cohort.experiments.running import Run, reported
from app.cohort.learn.plan import plan_toml
from app.cohort.rows import CohortRow, write_row
from app.core.errors import AppError
from app.core.progress import Progress
from app.worker.cohort_jobs import cohort_learn
from tests.unit.cohort.learn.small import make_cohort, small_plan
from tests.unit.reporting.small_evaluation import small_evaluation

ROOT = Path(__file__).resolve().parents[3]
PARCELS = 426  # of HCPEx
PROTOCOL = {
    "outer_folds": 2, "inner_folds": 2, "repeats": 1, "permutations": 0, "refits": 0,
    "bootstrap_repeats": 100, "learning_curve": False, "leave_one_site_out": False,
}  # fmt: skip
MODELS = {"headline": "age", "rivals": ["majority"]}


@dataclass(frozen=True)
class Study:
    """A cohort as `bids` leaves it, with table and plan, and what it says when it fails."""

    root: Path

    @property
    def table(self) -> Path:
        return self.root / "participants.tsv"

    @property
    def plan(self) -> Path:
        return self.root / "plan.toml"

    @property
    def result(self) -> Path:
        return self.root / "result"

    def edit_table(self, change: Callable[[list[list[str]]], None]) -> None:
        rows = [line.split("\t") for line in self.table.read_text().splitlines()]
        change(rows)
        self.table.write_text("\n".join("\t".join(row) for row in rows) + "\n")

    def write_plan(self, **tables: Any) -> None:
        tables = {"models": MODELS, "protocol": PROTOCOL, **tables}
        self.plan.write_text(plan_toml(small_plan(**tables)))

    def by_command(self, capsys: pytest.CaptureFixture[str]) -> str:
        """What the command line says on stderr; "" where it succeeds."""
        words = ["evaluate", self.root, "--plan", self.plan, "--out", self.result]
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        assert (code == 0) is (told.err.count("\n") == 0 or "error" not in told.err.lower())
        return told.err if code else ""

    def by_job(self) -> dict[str, Any]:
        keys = sorted(path.stem for path in (self.root / "prepared").glob("*.npz"))
        return cohort_learn(
            {"out_dir": str(self.root), "keys": keys, "plan": str(self.plan),
             "table": str(self.table), "model_id": "", "target": str(self.result)},
            Progress(),
        )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people of HCPEx, complete."""
    root = tmp_path_factory.mktemp("whole")
    made = make_cohort(root, 40, seed=2, parcels=PARCELS, frames=40)
    for path in made.folder.glob("*.npz"):
        name = path.stem.removeprefix("cohort_")
        write_row(root, CohortRow(key=path.stem, participant=name, source="x", drug="X",
                                  outcome="withheld", case_id=path.stem, quality="pass",
                                  atlas="HCPEx"))  # fmt: skip
    Study(root).write_plan()
    return root


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Study:
    root = tmp_path / "study"
    shutil.copytree(whole, root, copy_function=os.link)
    for name in ("participants.tsv", "plan.toml"):  # what a test changes is its own
        text = (root / name).read_text()
        (root / name).unlink()
        (root / name).write_text(text)
    return Study(root)


def rewritten(study: Study, number: int, **values: Any) -> Path:
    path = sorted((study.root / "prepared").glob("*.npz"))[number]
    with np.load(path) as archive:
        there = {name: archive[name] for name in archive.files}
    path.unlink()
    np.savez(path, **(there | values))
    return path


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are not drawn where nobody looks at them."""
    from app.cohort.experiments import running

    monkeypatch.setattr(running, "reported", lambda _facts, run, _progress: (
        run.out / "report" / "report.pdf",
    ))  # fmt: skip


# ---------------------------------------------------------------------------- the faults


def no_id(study: Study) -> None:
    study.edit_table(lambda rows: rows[3].__setitem__(0, "n/a"))


def id_column_gone(study: Study) -> None:
    study.edit_table(lambda rows: rows[0].__setitem__(0, "name"))


def id_twice(study: Study) -> None:
    study.edit_table(lambda rows: rows.append(rows[5]))


def scan_without_row(study: Study) -> None:
    study.edit_table(lambda rows: rows.pop())


def label_column_gone(study: Study) -> None:
    study.edit_table(lambda rows: rows[0].__setitem__(5, "other"))


def one_class(study: Study) -> None:
    study.write_plan(responder={"definition": "VAS fall >= 100 %", "secondary": []})
    study.edit_table(lambda rows: [row.__setitem__(5, row[4]) for row in rows[1:]])


def too_few(study: Study) -> None:
    study.write_plan(protocol=PROTOCOL | {"outer_folds": 5, "inner_folds": 5})

    def change(rows: list[list[str]]) -> None:
        for number, row in enumerate(rows[1:]):
            row[5] = "0" if number < 5 else row[4]

    study.edit_table(change)


def two_scales(study: Study) -> None:
    text = study.plan.read_text().replace("VAS fall >= 50 %", "NRS fall >= 50 %")
    study.plan.write_text(text)


def definitions_mixed_in_table(study: Study) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[0].append("responder_definition")
        for number, row in enumerate(rows[1:]):
            row.append(f"VAS fall >= {30 if number % 2 else 50} %")

    study.edit_table(change)


def label_against_score(study: Study) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[0] += ["label", "percent"]
        for number, row in enumerate(rows[1:]):
            row += [str(number % 2), "80"]

    study.edit_table(change)
    study.write_plan(
        outcome={"column": "label", "kind": "label", "baseline_column": None,
                 "check_column": "percent"},
        responder={"secondary": []},
    )  # fmt: skip


def scan_cut_off(study: Study) -> None:
    path = sorted((study.root / "prepared").glob("*.npz"))[4]
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def two_atlases(study: Study) -> None:
    path = rewritten(study, 4, atlas="A424")
    row = CohortRow(key=path.stem, participant=path.stem.removeprefix("cohort_"), source="x",
                    drug="X", outcome="withheld", case_id=path.stem, atlas="A424")  # fmt: skip
    (study.root / "rows" / f"{path.stem}.json").unlink()
    write_row(study.root, row)


def other_atlas_than_planned(study: Study) -> None:
    study.write_plan(recipe={"atlas": "A424"})


def same_scan_twice(study: Study) -> None:
    first, second = sorted((study.root / "prepared").glob("*.npz"))[:2]
    second.unlink()
    shutil.copy(first, second)


FAULTS: dict[Callable[[Study], None], tuple[str, str, bool]] = {
    # code, words, whether the plan is locked by then: only labels can tell these
    no_id: ("cohort.table", "has no participant_id", False),
    id_column_gone: ("cohort.table", "no column 'participant_id'", False),
    id_twice: ("cohort.table", "there twice", False),
    scan_without_row: ("cohort.people", "not in the table", False),
    label_column_gone: ("cohort.table", "no column 'vas_after'", False),
    one_class: ("cohort.classes", "Everybody (40 people) is a non-responder", True),
    too_few: ("cohort.too_few", "need at least", True),
    two_scales: ("cohort.definition", "mix the scales", False),
    definitions_mixed_in_table: ("cohort.definition", "mixes 2 responder definitions", False),
    label_against_score: ("cohort.definition", "contradicts the definition", True),
    scan_cut_off: ("cohort.format", "cannot be read as a prepared participant", False),
    two_atlases: ("cohort.mixed", "differ in", False),
    other_atlas_than_planned: ("cohort.mixed", "the plan says 'A424'", False),
    same_scan_twice: ("cohort.duplicate", "2 times", False),
}


@pytest.mark.parametrize("fault", list(FAULTS), ids=lambda fault: fault.__name__)
def test_that_a_fault_is_one_message_on_both_ways_and_leaves_nothing_half_written(
    study: Study, capsys: pytest.CaptureFixture[str], fault: Callable[[Study], None]
) -> None:
    code, words, locked = FAULTS[fault]
    fault(study)
    told = study.by_command(capsys)
    assert words in told
    assert "Traceback" not in told
    assert (study.result / "plan.lock.json").is_file() is locked
    with pytest.raises(AppError) as refused:
        study.by_job()
    assert refused.value.code == code
    assert words in refused.value.message
    assert refused.value.hint
    assert not (study.result / "evaluation.json").exists()
    assert [path for path in study.root.rglob(".*") if path.is_file()] == []


@pytest.mark.usefixtures("no_pages")
def test_that_a_site_of_one_class_is_judged_and_flagged_on_both_ways(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(rows: list[list[str]]) -> None:
        for number, row in enumerate(rows[1:]):
            if number % 4 == 0:
                row[3], row[5] = "alone", row[4]

    study.edit_table(change)
    assert study.by_command(capsys) == ""
    record = json.loads((study.result / "evaluation.json").read_text())
    assert any("Site alone has one class only" in text for text in record["flags"])
    again = study.by_job()
    record = json.loads(Path(again["evaluation"]).read_text())
    assert any("Site alone has one class only" in text for text in record["flags"])


@pytest.mark.usefixtures("no_pages")
def test_that_a_full_disk_is_one_message_on_both_ways_and_room_brings_the_answer(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import app.cohort.learn.result_folder as room

    real, written = np.savez, list[int]()

    def full(handle: Any, **arrays: Any) -> None:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "full")
        written.append(1)
        real(handle, **arrays)

    monkeypatch.setattr(room.np, "savez", full)
    assert "no space left" in study.by_command(capsys)
    with pytest.raises(AppError) as refused:
        study.by_job()
    assert refused.value.code == "study.no_space"
    assert refused.value.hint == (
        "Free some disk space. Kept in the result folder 'result': every finished fold. Start the "
        "same again: it goes on there."
    )
    assert len(list(study.result.rglob("r000-*.npz"))) == 3
    monkeypatch.undo()
    assert study.by_command(capsys) == ""
    record = json.loads((study.result / "evaluation.json").read_text())
    assert record["deviations"] == []  # the same plan, the same table, the same lock


def test_that_a_report_that_cannot_be_written_says_that_the_figures_are_kept(
    tmp_path: Path,
) -> None:
    facts = small_evaluation()
    run = Run(tmp_path / "result", "python3 main.py evaluate")
    run.out.mkdir()
    (run.out / "evaluation.json").write_text("{}")
    (run.out / "report").write_text("a file where the folder should be")
    with pytest.raises(AppError, match="The report could not be written") as refused:
        reported(facts, run, Progress())
    assert refused.value.hint == (
        "Check that there is space and that the folder may be written to. Kept in the result "
        "folder 'result': the figures (evaluation.json, tables) and every finished fold. Start "
        "the same again: it goes on there."
    )
    assert not isinstance(refused.value.__cause__, OSError)  # told as the program's own fault


@pytest.mark.usefixtures("no_pages")
def test_that_a_kill_in_the_middle_loses_no_finished_fold(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import os, signal, sys\n"
        "from app.cohort.learn.result_folder import ResultFolder\n"
        "write, count = ResultFolder.write_fold, [0]\n"
        "def kept(self, path, answer):\n"
        "    write(self, path, answer)\n"
        "    count[0] += 1\n"
        "    if count[0] == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "ResultFolder.write_fold = kept\n"
        "from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["evaluate", study.root, "--plan", study.plan, "--out", study.result]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], cwd=ROOT, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in study.result.rglob("r000-*.npz")}
    assert len(kept) == 3
    assert not (study.result / "evaluation.json").exists()
    assert study.by_command(capsys) == ""
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # read back, not made again
    first = json.loads((study.result / "evaluation.json").read_text())
    shutil.rmtree(study.result)
    study.by_job()
    second = json.loads((study.result / "evaluation.json").read_text())
    assert first["models"] == second["models"]
    assert first["continuous"]["models"] == second["continuous"]["models"]
