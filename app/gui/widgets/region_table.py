"""One row a parcel: name, network, side, both attributions and ranks, for sorting and filtering."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt

from app.core import wording
from app.core.arrays import Bools
from app.core.explanation_lists import DISAGREES, REGIONS_RULE, UNSTABLE
from app.core.results import Attribution, CleanSignals
from app.gui.widgets.parcel_table import SORT_ROLE, Index, ParcelTable

COLUMNS = ("#", "Region", "Network", "(b)", "(a)")
_TIPS = {
    "#": f"Rank by the magnitude of (b), what in the scan mattered. {REGIONS_RULE}",
    "(a)": "(a) What each branch used, log-odds; a click sorts by it",
    "(b)": f"(b) What in the scan mattered, log-odds; {DISAGREES} where it disagrees with (a), "
    f"{UNSTABLE} where it is unstable",
}


class RegionTable(ParcelTable):
    """Parcels in atlas order; without attribution only names and networks show."""

    tips = _TIPS
    on_the_right = ("#", "(a)", "(b)")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self._a = self._b = np.zeros(0)
        self._rank = np.zeros(0, dtype=int)
        self._ranks: list[int] = []  # the same where it is the first column
        self._disagree = self._unstable = self._unranked = np.zeros(0, dtype=bool)

    def show_case(
        self,
        signals: CleanSignals | None,
        found: Attribution | None,
        unranked: Bools | None = None,
        unstable: Bools | None = None,
    ) -> None:
        """Fill the table; `unranked` (parcel,) have no rank and stand behind all others."""
        self.beginResetModel()
        self._signals = signals
        count = 0 if signals is None else len(signals.parcel_names)
        if found is not None:
            self._a = np.asarray(found.branches.per_parcel, dtype=float)
            self._b = np.asarray(found.scan.per_parcel, dtype=float)
            strength = np.abs(self._b)
            if unranked is not None:
                strength = np.where(unranked, strength - strength.max() - 1.0, strength)
            self._rank = np.argsort(np.argsort(-strength, kind="stable")) + 1
            nobody = np.zeros(count, dtype=bool)
            self._unstable = nobody if unstable is None else unstable
            self._unranked = nobody if unranked is None else unranked
            self._disagree = np.asarray(found.disagreeing, dtype=bool)
            self._columns = COLUMNS
        else:
            self._columns = COLUMNS[1:3]
            self._a = self._b = np.zeros(count)
            self._rank = np.arange(count) + 1
            self._disagree = self._unstable = self._unranked = np.zeros(count, dtype=bool)
        self._ranks = self._rank.tolist() if found is not None else []
        self.endResetModel()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The rank without detours: sorting by it asks thousands of times."""
        if role == SORT_ROLE and self._ranks and index.column() == 0:
            return self._ranks[index.row()]
        return super().data(index, role)

    def value(self, parcel: int, column: str, *, sort: bool) -> Any:
        """Rank or attribution."""
        if column == "#":
            rank = int(self._rank[parcel])
            return rank if sort or not self._unranked[parcel] else "\N{EN DASH}"
        value = float((self._a if column == "(a)" else self._b)[parcel])
        marks = DISAGREES * int(self._disagree[parcel]) + UNSTABLE * int(self._unstable[parcel])
        shown = f"{marks} " if column == "(b)" and marks else ""
        return abs(value) if sort else shown + wording.signed(value, 3)
