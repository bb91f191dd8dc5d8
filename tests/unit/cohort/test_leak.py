"""The released protocols' leaks, and the ledger that an interrupted experiment goes on from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cohort.experiments.leak import (
    LAST,
    OURS,
    RELEASED,
    SLIPPED,
    LeakSettings,
    run_leak,
    unshuffled_folds,
    wrong_positions,
)
from app.cohort.experiments.leak_report import leak_facts
from app.cohort.experiments.leak_run import own_people, run_leak_experiment
from app.cohort.experiments.ledger import Ledger
from app.cohort.experiments.running import Run
from app.core.errors import AppError, CancelledError, StorageError
from app.core.progress import Progress
from tests.unit.cohort.learn.small import make_cohort

SMALL = LeakSettings(
    repeats=16, outer_folds=4, inner_folds=2, epochs=30, learning_rate=5e-3, seed=11
)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((48, 60))


@pytest.fixture(scope="module")
def result(features, tmp_path_factory):
    return run_leak(features, SMALL, tmp_path_factory.mktemp("leak"), Progress())


def test_that_selection_on_the_reported_fold_flatters_and_ours_does_not(result) -> None:
    mcc = {name: values.mean() for name, values in result.mcc.items()}
    error = {name: values.std(ddof=1) / np.sqrt(16) for name, values in result.mcc.items()}
    assert mcc[RELEASED] > 0.1 and mcc[RELEASED] > 3 * error[RELEASED]
    assert mcc[SLIPPED] > 0.2
    for honest in (OURS, LAST):  # 120 repeats of the same kind gave -0.007 and -0.027
        assert abs(mcc[honest]) < 0.15
        assert mcc[RELEASED] - mcc[honest] > 0.05
    assert (result.mcc[RELEASED] >= result.mcc[LAST] - 1e-12).all()


def test_that_the_slip_puts_test_people_among_training_people(result) -> None:
    assert 0.2 < result.test_in_training < 0.8
    training = np.array([4, 5, 6, 9])
    np.testing.assert_array_equal(wrong_positions(training, np.array([5, 9])), [1, 3])


def test_that_released_folds_keep_the_order_of_the_file() -> None:
    labels = np.array([True, False] * 10)
    folds = unshuffled_folds(labels, 5)
    np.testing.assert_array_equal(folds[0][1], [0, 1, 2, 3])
    np.testing.assert_array_equal(folds[4][1], [16, 17, 18, 19])


def test_that_a_cancelled_run_goes_on_and_says_the_same(features, result, tmp_path: Path) -> None:
    seen: list[str] = []

    class Stops(Progress):
        def step(self, fraction: float, message: str = "") -> None:
            seen.append(message)
            if sum("repeat" in text for text in seen) > 3:
                raise CancelledError("test")

    with pytest.raises(CancelledError):
        run_leak(features, SMALL, tmp_path, Stops())
    (ledger,) = tmp_path.glob("leak-*.jsonl")
    done = len(ledger.read_text("utf-8").splitlines())
    assert 0 < done < 16
    ledger.write_text(ledger.read_text("utf-8") + '{"key": "15", "best-on', encoding="utf-8")
    again = run_leak(features, SMALL, tmp_path, Progress())
    for name in again.mcc:
        np.testing.assert_array_equal(again.mcc[name], result.mcc[name])


def test_that_another_question_never_takes_an_older_answer(tmp_path: Path) -> None:
    first = Ledger(tmp_path, "x", {"seed": 1})
    first.add("0", {"value": 1.0})
    assert Ledger(tmp_path, "x", {"seed": 1}).get("0") == {"key": "0", "value": 1.0}
    assert Ledger(tmp_path, "x", {"seed": 2}).get("0") is None
    first.path.write_text('nonsense\n{"key": "1"}\n', encoding="utf-8")
    with pytest.raises(StorageError, match="damaged"):
        Ledger(tmp_path, "x", {"seed": 1})


def test_that_the_report_says_why_and_claims_nothing(result) -> None:
    facts = leak_facts(result, command="c", simulated=True, data="d", finished_utc="")
    assert facts.headline is not None and "made by the protocol alone" in facts.headline.sentence
    rows = {row[0]: row for row in facts.tables[0].rows}
    assert len(rows) == 4
    assert all(row[-1] for row in rows.values())
    assert "Biased on purpose" in facts.limitations[0]
    assert [line.split(": mean MCC")[0] for line in facts.primary_lines] == list(rows)
    assert f"mean MCC +{result.mcc['best-on-test'].mean():.2f}" in facts.primary_lines[0]
    same = replace(result, mcc=result.mcc | {"nested": result.mcc["best-on-test"]})
    unclear = leak_facts(same, command="c", simulated=True, data="d", finished_utc="").headline
    assert unclear is not None and unclear.sentence.endswith("no difference is shown.")


def test_that_own_scans_are_used_without_any_outcome(tmp_path: Path) -> None:
    made = make_cohort(tmp_path, 24, seed=3, parcels=426, frames=30)
    made.table.unlink()
    people = own_people(made.folder, Progress())
    assert people.simulated and people.features.shape[0] == 24
    few = make_cohort(tmp_path / "few", 5, seed=3)
    with pytest.raises(AppError, match="5 people"):
        own_people(few.folder, Progress())


def test_that_the_experiment_writes_its_report(tmp_path: Path) -> None:
    settings = LeakSettings(repeats=2, outer_folds=4, inner_folds=2, epochs=10)
    run = Run(tmp_path / "out", "python3 main.py experiment leak --out out")
    written = run_leak_experiment(None, 40, settings, run, Progress())
    names = {path.name for path in written}
    assert {"report.pdf", "report.html", "metrics.tsv", "command.txt"} <= names
    record = json.loads((run.out / "report" / "report.json").read_text("utf-8"))
    assert record["simulated"] and len(record["competitors"]) == 4
