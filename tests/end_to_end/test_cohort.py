"""Many participants: by command line and in the window, with a broken one, interrupted, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox, QPushButton

from app.cohort.prepared import read_visits
from app.cohort.rows import FAILED, CohortRow, read_rows
from app.core.results import Case
from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.simulation.participant import SimulatedParticipant
from app.worker.process import Worker
from tests.unit.analysis.conftest import SPACE, make_run

ROOT = Path(__file__).resolve().parents[2]
COUNT, BROKEN, FRAMES = 10, 7, 40
LONG_MS = 300_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Ten small fMRIPrep runs that differ in one voxel; one of them is cut off."""
    root = tmp_path_factory.mktemp("cohort") / "fmriprep"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({
        "Name": "made", "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
    }))  # fmt: skip
    made = make_run(root, 1, frames=FRAMES)
    image: Any = nibabel.load(made.bold)
    volumes = np.asarray(image.dataobj).copy()
    for number in range(2, COUNT + 1):
        func = root / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True)
        for path in made.bold.parent.iterdir():
            target = func / path.name.replace("sub-01", f"sub-{number:02d}")
            if path != made.bold:
                target.write_bytes(path.read_bytes())
                continue
            volumes[0, 0, 0, 0] = number  # outside the head
            nibabel.save(nibabel.Nifti1Image(volumes, image.affine, image.header), target)
            if number == BROKEN:
                target.write_bytes(target.read_bytes()[:20_000])
    rows = ["participant_id\tage\tsex\tbaseline_pain\tsite"]
    rows += [f"sub-{n:02d}\t{600 + 12 * n}\t{'FM'[n % 2]}\t{30 + n}\tsite-{1 + n % 2}"
             for n in range(1, COUNT + 1)]  # fmt: skip
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    (root / "participants.json").write_text(json.dumps({
        "age": {"Units": "months"}, "baseline_pain": {"Units": "mm on a VAS of 0-100"},
    }))  # fmt: skip
    return root


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cohort-results")


@pytest.fixture(scope="session")
def qapp() -> Any:
    return make_application()


class Opened:
    """Windows with real workers, each closed as a user closes it."""

    def __init__(self, qtbot: Any) -> None:
        self.qtbot = qtbot
        self.windows: list[MainWindow] = []

    def window(self) -> MainWindow:
        made = make_window(Worker, Settings(theme="dark"), Messages())
        made.show()
        self.qtbot.waitExposed(made)
        made.show_step("cohort")
        self.windows.append(made)
        return made

    def close(self, window: MainWindow) -> None:
        window.close()
        boxes = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
        for box in boxes:  # work is running: stop it
            stop = next(button for button in box.buttons() if button is not box.escapeButton())
            self.qtbot.mouseClick(stop, LEFT)
        self.qtbot.waitUntil(lambda: not window.isVisible(), timeout=60_000)
        window.deleteLater()
        self.windows.remove(window)


@pytest.fixture
def opened(qapp: Any, qtbot: Any) -> Iterator[Opened]:
    made = Opened(qtbot)
    yield made
    for window in list(made.windows):
        made.close(window)


def _list(window: MainWindow, dataset: Path, results: Path, qtbot: Any) -> None:
    page = window.cohort.page()
    button = next(
        one for one in page.findChildren(QPushButton)
        if one.isVisible() and one.text().startswith("Open BIDS folder")
    )  # fmt: skip
    qtbot.mouseClick(button, LEFT)
    dialog = page.dialog
    assert dialog is not None
    for field, path in ((dialog.bids, dataset), (dialog.out, results)):
        field.selectAll()
        qtbot.keyClicks(field, str(path))
    qtbot.mouseClick(dialog.buttons.button(QDialogButtonBox.StandardButton.Open), LEFT)
    qtbot.waitUntil(lambda: len(window.cohort.state.rows) == COUNT, timeout=60_000)
    qtbot.waitUntil(lambda: not window.cohort.work.running, timeout=30_000)


@pytest.mark.timeout(900)
def test_that_ten_with_a_broken_one_give_nine_results_and_closing_loses_nothing(
    opened: Opened, dataset: Path, results: Path, qtbot: Any
) -> None:
    window = opened.window()
    _list(window, dataset, results, qtbot)
    state = window.cohort.state
    assert {row.outcome for row in state.rows.values()} == {"waiting"}
    qtbot.mouseClick(window.cohort.page().run, LEFT)
    qtbot.waitUntil(lambda: state.counts()["done"] >= 2, timeout=LONG_MS)
    opened.close(window)  # in the middle of the work

    before, _ = read_rows(results)
    done = {row.key: row for row in before if row.finished}
    assert 2 <= len(done) < COUNT - 1
    stamps = {key: (results / "cases" / row.case_id / "case.json").stat().st_mtime_ns
              for key, row in done.items()}  # fmt: skip

    window = opened.window()
    _list(window, dataset, results, qtbot)
    state = window.cohort.state
    assert state.counts()["done"] == len(done)  # there at once
    assert window.cohort.page().run.text() == f"Go on with {len(state.left())}"
    qtbot.mouseClick(window.cohort.page().run, LEFT)
    qtbot.waitUntil(lambda: not window.cohort.work.running, timeout=LONG_MS)
    _assert_whole(state.rows, results)
    for key, row in done.items():
        assert state.rows[key].case_id == row.case_id
        case = results / "cases" / row.case_id / "case.json"
        assert case.stat().st_mtime_ns == stamps[key]  # not computed again

    page = window.cohort.page()
    table = page.participants
    at = table.view.visualRect(table.filter.index(2, 1)).center()
    qtbot.mouseClick(table.view.viewport(), LEFT, pos=at)
    qtbot.mouseClick(table.open, LEFT)
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=60_000)
    assert window.session.case.case.participant.label == "sub-03"
    window.show_step("cohort")
    text = page.participants.export_text()
    assert text.count("\n") == COUNT + 2
    assert "Research use only" in text.splitlines()[0]
    window.cohort.work.make_matrices("site")
    qtbot.waitUntil(lambda: not window.cohort.work.running, timeout=60_000)
    assert page.matrices._matrices == {}  # every row is withheld for its quality: not pooled


def _assert_whole(rows: dict[str, CohortRow], results: Path) -> None:
    broken = f"sub-{BROKEN:02d}_task-rest_run-1"
    assert len(rows) == COUNT
    failed = [row for row in rows.values() if row.outcome == FAILED]
    assert [row.participant for row in failed] == [f"sub-{BROKEN:02d}"], broken
    assert failed[0].code == "scan.truncated"
    assert failed[0].reason
    good = [row for row in rows.values() if row.finished]
    assert len(good) == COUNT - 1
    for row in good:
        number = int(row.participant.removeprefix("sub-"))
        assert row.outcome == "withheld"  # nobody was simulated: no model may answer
        assert row.probability is None
        assert row.reason.startswith("Withheld")
        assert row.age_years == pytest.approx(50 + number)  # stated in months
        assert row.baseline_pain == pytest.approx(3 + number / 10)  # stated of 100
    left = [path.name for path in results.rglob(".*") if path.name != ".bidsignore"]
    assert left == []


@pytest.mark.timeout(600)
def test_that_the_command_line_goes_on_with_the_same_folder_and_assembles_the_group(
    dataset: Path, results: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.glob("cases/*/case.json")}
    assert len(before) == COUNT - 1  # of the window's run
    done = _bids(dataset, results, "participant", "--n-workers", "1")
    assert done.returncode == 1, done.stderr
    assert f"sub-{BROKEN:02d}" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in results.glob("cases/*/case.json")} == before
    table = (results / "results.tsv").read_text().splitlines()
    header = table[0].split("\t")
    assert len(table) == COUNT + 1
    for line in table[1:]:
        row = dict(zip(header, line.split("\t"), strict=True))
        assert (row["outcome"], row["probability"]) in (("withheld", "n/a"), ("failed", "n/a"))
        assert row["reason"] != "n/a"
    sidecar = json.loads((results / "results.json").read_text())
    assert set(header) <= set(sidecar)
    assert sidecar["age"]["UnitsInParticipantsTsv"] == "years, from months"
    described = json.loads((results / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert str(dataset) not in json.dumps([sidecar, described]) + "\n".join(table)
    series = results / "sub-01" / "func"
    assert list(series.glob("*_stat-mean_desc-cleaned_timeseries.tsv"))
    assert SPACE not in "".join(p.name for p in series.glob("*summary*"))
    visits = read_visits(results / "prepared")
    assert [visit.participant for visit in visits] == [
        f"sub-{n:02d}" for n in range(1, COUNT + 1) if n != BROKEN
    ]
    assert {visit.cleaned.shape[0] for visit in visits} == {FRAMES}

    group = _bids(dataset, results, "group")
    assert group.returncode == 1  # withheld for their quality: nothing is pooled
    assert "withheld for quality" in group.stderr
    assert (results / "group" / "quality.tsv").read_text().splitlines()[1].startswith("all\t10\t1")


@pytest.mark.timeout(600)
def test_that_a_raw_folder_gives_the_same_number_as_the_scan_alone(
    small_participant: SimulatedParticipant, small_case: tuple[Case, Path], tmp_path: Path
) -> None:
    case, _ = small_case
    root, out = small_participant.paths.dataset, tmp_path / "out"
    done = _bids(root, out, "participant", "--n-workers", "1", "--no-dashboard")
    assert done.returncode == 0, done.stderr
    rows, faults = read_rows(tmp_path / "out")
    assert faults == ()
    assert [row.participant for row in rows] == ["sub-0000"]
    assert case.prediction is not None
    assert rows[0].probability == case.prediction.probability
    assert rows[0].outcome == case.prediction.outcome.value
    assert rows[0].simulated
    assert rows[0].peak_memory_mib is None or rows[0].peak_memory_mib > 100


@pytest.mark.timeout(600)
def test_that_ctrl_c_ends_the_scans_at_their_next_step_and_leaves_nothing(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script, "bids", str(dataset), str(out), "participant",
         "--n-workers", "2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("neuroresponder-*/dask-scratch-space")):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the workers hear it too
        _, told = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 130, told
    assert "Nothing half-written remains" in told
    assert [path.name for path in tmp_path.glob("neuroresponder-*-*")] == []  # no voxels
    left = [path.name for path in out.rglob(".*") if path.name != ".bidsignore"]
    assert left == []


def _bids(dataset: Path, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, "bids", str(dataset), str(results), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
