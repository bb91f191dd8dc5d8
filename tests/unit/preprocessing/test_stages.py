from __future__ import annotations

from dataclasses import dataclass

from app.preprocessing import steps
from app.preprocessing.stages import Stages


@dataclass(frozen=True)
class Result:
    value: int


class Memory:
    """A store that keeps results as they are."""

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}

    def recall(self, stage: str, key: str, kind: type) -> object:
        return self.kept.get(f"{stage}-{key}")

    def keep(self, stage: str, key: str, result: object) -> None:
        self.kept[f"{stage}-{key}"] = result


def _through(store: Memory, *, source: str = "scan", seed: int = 0, points: str = "A") -> Stages:
    stages = Stages(source, store)
    stages.run("motion", Result, lambda: Result(1), steady=2)
    stages.run("reference", Result, lambda: Result(2), after=("motion",))
    stages.run("registration", Result, lambda: Result(3), after=("reference",), seed=seed)
    stages.run("sampling", Result, lambda: Result(4), after=("registration",), points=points)
    return stages


def test_that_a_second_run_recalls_everything() -> None:
    store = Memory()
    assert _through(store).computed == ["motion", "reference", "registration", "sampling"]
    again = _through(store)
    assert (again.computed, len(again.recalled)) == ([], 4)


def test_that_a_changed_setting_computes_only_what_depends_on_it() -> None:
    store = Memory()
    _through(store)
    assert _through(store, points="B").computed == ["sampling"]
    assert _through(store, seed=1).computed == ["registration", "sampling"]
    assert len(_through(store, source="other scan").computed) == 4


def test_that_a_new_version_of_a_step_computes_it_and_what_follows(monkeypatch) -> None:
    store = Memory()
    _through(store)
    changed = tuple(
        steps.Step("reference", "x", 1.0, 2) if step.name == "reference" else step
        for step in steps.STEPS
    )
    monkeypatch.setattr(steps, "STEPS", changed)
    assert _through(store).computed == ["reference", "registration", "sampling"]


def test_that_without_a_source_nothing_is_kept_but_keys_are() -> None:
    store = Memory()
    stages = _through(store, source="")
    assert store.kept == {}
    assert set(stages.keys) == {"source", "motion", "reference", "registration", "sampling"}
