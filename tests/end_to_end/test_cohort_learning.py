"""Train, import and ask in the real window with a real worker, on simulated prepared people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cohort.learn.plan import parse_plan, plan_toml
from app.cohort.learn.simulated import study_plan, write_cohort
from app.cohort.prepared import read_visit
from app.cohort.rows import CohortRow, write_row
from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.cohort.table import COLUMNS
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.models.installed import bundle_folder
from app.simulation.bids import write_dataset
from app.simulation.cohort import CohortSettings, draw_cohort
from app.worker.process import Worker

COUNT = 40
LONG_MS = 240_000
PROTOCOL = {
    "outer_folds": 2, "inner_folds": 2, "repeats": 2, "permutations": 19, "refits": 5,
    "bootstrap_repeats": 200, "learning_curve": False, "leave_one_site_out": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """A data set of names, its table and plan, and what `bids` would have left of it."""
    settings = CohortSettings(count=COUNT, seed=3, frames=60)
    root = tmp_path_factory.mktemp("learning") / "study"
    people = draw_cohort(settings)
    write_dataset(root, people)
    for person in people:
        func = root / person.label / "func"
        func.mkdir(parents=True)
        (func / f"{person.label}_task-rest_bold.nii.gz").write_bytes(b"")  # nobody opens it
    plan = study_plan().model_dump(mode="json", exclude_none=True)
    plan |= {"protocol": PROTOCOL, "models": {"headline": "linear", "rivals": ["age"]}}
    (root / "plan.toml").write_text(plan_toml(parse_plan(plan)))
    out = root / "derivatives" / "neuroresponder"
    made = write_cohort(root.parent / "parcels", settings)
    (out / "prepared").mkdir(parents=True)
    for path in sorted(made.glob("*.npz")):
        label = path.stem.split("_")[1]
        target = out / "prepared" / f"{label}_task-rest.npz"
        os.link(path, target)
        visit = read_visit(target)
        write_row(out, CohortRow(
            key=target.stem, participant=label, source=f"{label}/func/x", outcome="inconclusive",
            case_id=label, quality=visit.verdict, scan_sha256=visit.scan_sha256, atlas="HCPEx",
            drug="Simulated treatment X", model="simulated-demo", simulated=True,
        ))  # fmt: skip
    return root


@pytest.fixture
def window(qtbot: Any) -> Iterator[MainWindow]:
    make_application()
    made = make_window(Worker, Settings(theme="dark"), Messages())
    made.resize(1400, 860)
    made.show()
    qtbot.waitExposed(made)
    made.show_step("cohort")
    yield made
    made._closing = True
    made.close()
    made.deleteLater()


def _column(window: MainWindow, title: str) -> list[str]:
    place = next(n for n, c in enumerate(COLUMNS) if c.title == title)
    rows = window.cohort.page().participants.filter
    return [str(rows.index(n, place).data()) for n in range(rows.rowCount())]


@pytest.mark.timeout(600)
def test_that_a_model_is_trained_imported_and_chosen_and_outcomes_open_with_the_lock(
    window: MainWindow, study: Path, qtbot: Any
) -> None:
    page, state, work = window.cohort.page(), window.cohort.state, window.cohort.work
    page.open_folder(study, study / "derivatives" / "neuroresponder")
    qtbot.waitUntil(lambda: len(state.rows) == COUNT and not work.running, timeout=60_000)
    tab = page.learning
    assert tab.plan.text() == str(study / "plan.toml")  # proposed, as it lies beside the table
    assert set(_column(window, "Outcome")) == {"sealed until a plan is locked"}
    state.exclude([sorted(state.rows)[0]])
    tab.model_id.setText("mine")
    page.tabs.setCurrentWidget(tab)
    tab.start.click()
    qtbot.waitUntil(lambda: tab.page.record is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: bool(state.outcomes) and not work.running, timeout=60_000)
    assert tab.page.sentence.text().startswith("SIMULATED")
    assert "Primary outcome: improvement, points" in tab.page.sentence.text()
    assert "VAS < 4" in tab.page.secondary.text()
    record = tab.page.record
    assert record is not None
    assert record.figures["cohort"]["people"] == COUNT - 1
    told = _column(window, "Outcome")
    responders = sum(words.startswith("responder: ") for words in told)
    assert responders == sum(bool(p.responder) for p in draw_cohort(
        CohortSettings(count=COUNT, seed=3)))  # fmt: skip
    assert set(_column(window, "Definition")) == {"VAS fall >= 30 %"}
    _picture(window, "evaluation")

    assert tab.take.isVisible()
    tab.take.click()
    qtbot.waitUntil(lambda: state.model_id == "mine" and not work.running, timeout=60_000)
    assert bundle_folder("mine").is_dir()
    assert page.model.currentText() == "mine"
    assert page.run.isEnabled()
    assert len(state.left()) == COUNT - 1  # all were scored by another model
    page.tabs.setCurrentWidget(page.participants)
    assert "measured_outcome" in page.participants.export_text()
    _picture(window, "participants")
    window.menus.actions["edit.undo"].trigger()
    assert state.excluded == frozenset()


def _picture(window: MainWindow, name: str) -> None:
    """For the eye, where a folder is named for it."""
    folder = os.environ.get("NEURORESPONDER_PICTURES")
    if folder:
        window.grab().save(str(Path(folder) / f"cohort-{name}.png"))
