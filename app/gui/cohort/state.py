"""What the workspace holds: a folder, its rows, and which of them count; one undo stack.

Nothing here reads a file or draws. Including and excluding are entries that can be undone;
what the workers find out is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.cohort.rows import FAILED, WAITING, CohortRow
from app.core import wording

KEPT_ENTRIES = 200
DELIVERED = "simulated-demo"


class _Change(QUndoCommand):
    """From one set of excluded rows to another."""

    def __init__(
        self, state: CohortState, words: str, before: frozenset[str], after: frozenset[str]
    ) -> None:
        super().__init__(words)
        self._state, self._before, self._after = state, before, after

    def undo(self) -> None:
        """Back to those that were excluded before."""
        self._state._set_excluded(self._before)

    def redo(self) -> None:
        """Forward to those that were excluded after."""
        self._state._set_excluded(self._after)


class CohortState(QObject):
    """The one state of the workspace; each change is told once."""

    opened = Signal()  # another folder, with its rows
    rows_changed = Signal(object)  # keys (tuple) whose rows are new or other
    excluded_changed = Signal(object)  # keys (tuple) that changed sides
    models_changed = Signal()  # which are installed, or which is chosen

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.bids_dir: Path | None = None
        self.out_dir: Path | None = None
        self.rows: dict[str, CohortRow] = {}
        self.excluded: frozenset[str] = frozenset()
        self.findings: tuple[str, ...] = ()
        self.outcomes: dict[str, tuple[str, str]] = {}  # key -> outcome, definition; once locked
        self.models: tuple[str, ...] = (DELIVERED,)
        self.model_id = DELIVERED  # that the queue asks
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(KEPT_ENTRIES)

    def open(self, bids_dir: Path, out_dir: Path) -> None:
        """Begin with another folder; its rows follow."""
        self.bids_dir, self.out_dir = bids_dir, out_dir
        self.rows, self.excluded, self.findings = {}, frozenset(), ()
        self.outcomes = {}
        self.stack.clear()
        self.opened.emit()

    def put_rows(self, rows: Iterable[CohortRow]) -> None:
        """Add rows, or replace those of the same key."""
        new = {row.key: row for row in rows}
        self.rows.update(new)
        self.rows_changed.emit(tuple(new))

    def put_outcomes(self, outcomes: Mapping[str, tuple[str, str]]) -> None:
        """What a locked plan lets the table say; {} seals it again."""
        if outcomes == self.outcomes:
            return
        changed = tuple(sorted(set(self.outcomes) | set(outcomes)))
        self.outcomes = dict(outcomes)
        self.rows_changed.emit(tuple(key for key in changed if key in self.rows))

    def put_models(self, models: Sequence[str]) -> None:
        """Which models are installed; a chosen one that is gone gives way to the delivered one."""
        self.models = tuple(dict.fromkeys(models)) or (DELIVERED,)
        if self.model_id not in self.models:
            self.model_id = self.models[0]
        self.models_changed.emit()

    def choose_model(self, model_id: str) -> None:
        """Which model the queue asks from now on."""
        if model_id in self.models and model_id != self.model_id:
            self.model_id = model_id
            self.models_changed.emit()

    def exclude(self, keys: Sequence[str]) -> None:
        """Leave rows out of whatever is made of the cohort."""
        self._push(f"Exclude {_count(keys)}", self.excluded | set(keys))

    def include(self, keys: Sequence[str]) -> None:
        """Let rows count again."""
        self._push(f"Include {_count(keys)}", self.excluded - set(keys))

    def included(self) -> tuple[CohortRow, ...]:
        """Rows that count, in order of their keys."""
        return tuple(self.rows[key] for key in sorted(self.rows) if key not in self.excluded)

    def left(self) -> tuple[str, ...]:
        """Keys of included rows that wait to be analysed, or were so for another model."""
        return tuple(
            row.key
            for row in self.included()
            if row.outcome == WAITING or (row.finished and row.model not in ("", self.model_id))
        )

    def runnable(self) -> tuple[str, ...]:
        """Keys of included rows that have a scan."""
        return tuple(row.key for row in self.included() if row.source)

    def case_folder(self, key: str) -> Path | None:
        """Where the case of a row lies; None where there is none."""
        row = self.rows.get(key)
        if row is None or not row.case_id or self.out_dir is None:
            return None
        return self.out_dir / "cases" / row.case_id

    def counts(self) -> dict[str, int]:
        """How many rows are done, failed, waiting and excluded."""
        rows = self.rows.values()
        return {
            "rows": len(self.rows),
            "done": sum(row.finished for row in rows),
            "failed": sum(row.outcome == FAILED for row in rows),
            "waiting": sum(row.outcome == WAITING for row in rows),
            "excluded": len(self.excluded & set(self.rows)),
        }

    def number_words(self) -> list[str]:
        """What a number must never be shown without: base rate and responder definition."""
        scored = [row for row in self.rows.values() if row.probability is not None]
        found = sorted({(row.base_rate, row.responder_definition) for row in scored}, key=str)
        return [
            f"base rate {'unknown' if rate is None else f'{rate:.2f}'}, "
            f"responder: {wording.with_signs(definition)}"
            for rate, definition in found[:2]
        ] + ([f"and {len(found) - 2} more definitions"] if len(found) > 2 else [])

    @property
    def simulated(self) -> bool:
        """Whether any scan says that it was simulated."""
        return any(row.simulated for row in self.rows.values())

    def _push(self, words: str, excluded: frozenset[str]) -> None:
        if excluded != self.excluded:
            self.stack.push(_Change(self, words, self.excluded, excluded))

    def _set_excluded(self, excluded: frozenset[str]) -> None:
        changed = tuple(sorted(self.excluded ^ excluded))
        self.excluded = excluded
        self.excluded_changed.emit(changed)


def _count(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{len(keys)} rows"
