"""The participant table for Qt: one row a participant-visit, sorted and filtered by a proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from app.cohort.rows import FAILED, WAITING, CohortRow
from app.core import wording
from app.core.results import Outcome, Verdict
from app.gui.cohort.state import CohortState

_AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
SORT_ROLE = _ROLE.UserRole + 1
KEY_ROLE = _ROLE.UserRole + 2
SEALED = "sealed until a plan is locked"
SCORE = "Score, or why there is none"
OUTCOME, DEFINITION, MODEL = "Outcome", "Definition", "Model"
OUTCOME_HELP = (
    "Of participants.tsv, by the locked plan's column and definition. Before a plan is locked "
    "nobody reads it: an analysis that has seen the outcome can be bent to it."
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, what a cell says, what it is sorted by."""

    title: str
    text: Callable[[CohortRow], str]
    order: Callable[[CohortRow], str | float] | None = None
    help: str = ""
    number: bool = False
    width: int = 80  # pixels at first, at the usual text size


def outcome_words(row: CohortRow) -> str:
    """Result, Inconclusive, Withheld, Failed or Waiting."""
    if row.outcome == FAILED:
        return "Failed"
    if row.outcome == WAITING:
        return "Waiting"
    return wording.OUTCOME_WORDS[Outcome(row.outcome)]


def score_words(row: CohortRow) -> str:
    """The number with its interval, or why there is none."""
    if row.probability is not None and row.interval_low is not None:
        interval = f"{row.interval_low:.2f}\N{EN DASH}{row.interval_high:.2f}"
        return f"{row.probability:.2f} ({interval})"
    if row.outcome == WAITING:
        return "\N{EN DASH}"
    return f"{outcome_words(row).lower()}: {_plain_reason(row.reason)}"


def _plain_reason(reason: str) -> str:
    return reason.replace("Withheld: ", "").strip() or "no reason was recorded"


def _optional(value: float | None, digits: int) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


def _high(value: float | None) -> float:
    return float("inf") if value is None else value


def _verdict(row: CohortRow) -> str:
    return wording.VERDICT_WORDS[Verdict(row.quality)] if row.quality else "\N{EN DASH}"


def _definition(row: CohortRow) -> str:
    return wording.with_signs(row.responder_definition) or "\N{EN DASH}"


def _or_dash(name: str) -> Callable[[CohortRow], str]:
    return lambda row: str(getattr(row, name)) or "\N{EN DASH}"


COLUMNS = (
    Column("Participant", lambda row: row.participant, width=112),
    Column("Visit", lambda row: row.session.removeprefix("ses-") or "\N{EN DASH}", width=54),
    Column("Site", _or_dash("site"), width=72),
    Column("Arm", _or_dash("arm"), width=84),
    Column(OUTCOME, lambda _row: SEALED, help=OUTCOME_HELP, width=216),
    Column("Quality", _verdict, width=72),
    Column("FD mm", lambda row: _optional(row.mean_fd_mm, 2), lambda row: _high(row.mean_fd_mm),
           "Mean framewise displacement (Power)", number=True, width=58),
    Column(SCORE, score_words, lambda row: _high(row.probability),
           "Probability of meeting the definition, with its 95 % interval", width=300),
    Column("Novelty", lambda row: _optional(row.novelty_percentile, 0),
           lambda row: _high(row.novelty_percentile),
           "Percentile among the model's training participants", number=True, width=62),
    Column("State", outcome_words, width=84),
    Column("Drug", _or_dash("drug"), width=150),
    Column(DEFINITION, _definition, help="What a responder is: of the locked "
           "plan, otherwise of the table or the model", width=190),
    Column(MODEL, _or_dash("model"), help="That gave the score, or is chosen for the next run",
           width=160),
)  # fmt: skip


class CohortTable(QAbstractTableModel):
    """All rows of the workspace; the first column's tick says whether a row counts."""

    def __init__(self, state: CohortState) -> None:
        super().__init__(state)
        self.state = state
        self._keys: list[str] = []
        self._places: dict[str, int] = {}
        state.opened.connect(self._start_again)
        state.rows_changed.connect(self._rows_changed)
        state.excluded_changed.connect(self._told)
        state.models_changed.connect(lambda: self._told(tuple(self._keys)))

    def row(self, number: int) -> CohortRow:
        """The row at a place of this model."""
        return self.state.rows[self._keys[number]]

    def words(self, row: CohortRow, column: Column) -> str:
        """What a cell says; outcome, definition and model also depend on plan and choice."""
        outcome = self.state.outcomes.get(row.key)
        if outcome is not None and column.title in (OUTCOME, DEFINITION):
            return outcome[0 if column.title == OUTCOME else 1]
        if column.title == MODEL and not row.model:
            return f"next run: {self.state.model_id}"
        return column.text(row)

    def rowCount(self, parent: _AnyIndex = _ROOT) -> int:
        """Number of rows."""
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: _AnyIndex = _ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: _AnyIndex, role: int = _ROLE.DisplayRole) -> object:
        """Words of a cell, what it is sorted by, its tooltip."""
        row, column = self.row(index.row()), COLUMNS[index.column()]
        if role == _ROLE.DisplayRole:
            return self.words(row, column)
        if role == SORT_ROLE:
            return column.order(row) if column.order else self.words(row, column).lower()
        if role == KEY_ROLE:
            return row.key
        if role == _ROLE.CheckStateRole and index.column() == 0:
            return Qt.CheckState.Unchecked if self._excluded(row) else Qt.CheckState.Checked
        if role == _ROLE.ToolTipRole:
            return _tooltip(row, column, self.words(row, column))
        if role == _ROLE.TextAlignmentRole and column.number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == _ROLE.AccessibleTextRole and index.column() == 0:
            return f"{row.participant}, {'excluded' if self._excluded(row) else 'included'}"
        return None

    def setData(self, index: _AnyIndex, value: object, role: int = _ROLE.EditRole) -> bool:
        """A tick includes, no tick excludes."""
        if role != _ROLE.CheckStateRole or index.column() != 0:
            return False
        key = self._keys[index.row()]
        if Qt.CheckState(value) == Qt.CheckState.Checked:
            self.state.include([key])
        else:
            self.state.exclude([key])
        return True

    def flags(self, index: _AnyIndex) -> Qt.ItemFlag:
        """The first column has the tick; excluded rows are greyed by the view's delegate."""
        base = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        return base | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else base

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> object:
        """Titles above."""
        if orientation == Qt.Orientation.Vertical:
            return None
        if role == _ROLE.DisplayRole:
            return COLUMNS[section].title
        if role == _ROLE.ToolTipRole:
            return COLUMNS[section].help or None
        return None

    def _excluded(self, row: CohortRow) -> bool:
        return row.key in self.state.excluded

    def _start_again(self) -> None:
        self.beginResetModel()
        self._keys = sorted(self.state.rows)
        self._places = {key: number for number, key in enumerate(self._keys)}
        self.endResetModel()

    def _rows_changed(self, keys: tuple[str, ...]) -> None:
        if any(key not in self._places for key in keys):
            self._start_again()
        else:
            self._told(keys)

    def _told(self, keys: tuple[str, ...]) -> None:
        places = [self._places[key] for key in keys if key in self._places]
        if places:
            last = len(COLUMNS) - 1
            self.dataChanged.emit(self.index(min(places), 0), self.index(max(places), last))


def _tooltip(row: CohortRow, column: Column, words: str) -> str:
    """The whole reason; beside a number, its base rate and definition."""
    if column.title != SCORE:
        return f"{words}. {column.help}" if words == SEALED else words
    if row.probability is None:
        return score_words(row)
    base = "" if row.base_rate is None else f"base rate {row.base_rate:.2f}; "
    definition = wording.with_signs(row.responder_definition)
    return f"{score_words(row)}; {base}{definition}. {wording.RUO_LINE}."


class CohortFilter(QSortFilterProxyModel):
    """Rows whose words hold what was typed, of the chosen outcome."""

    def __init__(self, table: CohortTable) -> None:
        super().__init__(table)
        self.setSourceModel(table)
        self.setSortRole(SORT_ROLE)
        self.setDynamicSortFilter(True)
        self._words: tuple[str, ...] = ()
        self._show = "all"

    def look_for(self, text: str) -> None:
        """Only rows that hold every word, in any column."""
        self._words = tuple(text.lower().split())
        self._again()

    def show_only(self, which: str) -> None:
        """ "all", "done", "withheld", "failed", "waiting" or "excluded"."""
        self._show = which
        self._again()

    def _again(self) -> None:
        self.beginFilterChange()
        self.endFilterChange()

    def filterAcceptsRow(self, number: int, _parent: _AnyIndex) -> bool:
        """Whether a row is shown."""
        table = self.sourceModel()
        assert isinstance(table, CohortTable)
        row = table.row(number)
        kinds = {
            "all": True,
            "done": row.finished,
            "withheld": row.outcome == Outcome.WITHHELD.value,
            "failed": row.outcome == FAILED,
            "waiting": row.outcome == WAITING,
            "excluded": row.key in table.state.excluded,
        }
        if not kinds[self._show]:
            return False
        text = " ".join(table.words(row, column).lower() for column in COLUMNS)
        return all(word in text for word in self._words)
