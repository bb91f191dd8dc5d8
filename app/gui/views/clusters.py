"""Clusters of a layer: size, peak, mean and name; a row goes to its peak."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QTableView, QWidget

from app.core.explanation_wording import titled
from app.core.sides import side_word, without_side
from app.gui.session import Point, Session
from app.gui.widgets.cluster_table import COLUMNS, ClusterTable, NamedCluster
from app.gui.widgets.fields import muted
from app.gui.widgets.layer_stack import DrawnLayer, stack_of
from app.gui.widgets.parcel_table import SORT_ROLE, set_up_rows, set_widths
from app.gui.widgets.tables import Table
from app.gui.widgets.theme import scaled
from app.gui.widgets.view import View

# Below these widths a name cannot be read beside the column; the whole table is its twin.
_LEAST_PX = {"Mean": 560, "mm³": 560, "x": 430, "y": 430, "z": 430}  # at the usual text size
_WIDEST = {"#": "888", "Peak": "+0.000", "Mean": "+0.000", "Voxels": "Voxels", "mm³": "88888"}


class ClustersView(View):
    """The table twin of a layer as it is painted: threshold, smallest size and clip included."""

    name = "clusters"
    title = "Clusters"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._key = ""  # the layer that was chosen; "" = the highest
        self._listed: DrawnLayer | None = None
        self._following = False
        self.count = muted("")
        self.count.setWordWrap(True)
        self.layer_box = QComboBox()
        self.layer_box.setAccessibleName("Layer whose clusters are listed")
        self.layer_box.setMinimumContentsLength(12)
        self.layer_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer_box.activated.connect(self._choose)
        self.tools.addWidget(self.layer_box)
        self.model = ClusterTable()
        self.proxy = QSortFilterProxyModel(self)
        self.proxy.setSourceModel(self.model)
        self.proxy.setSortRole(SORT_ROLE)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        set_up_rows(self.table, "Clusters, a row goes to its peak")
        self.table.horizontalHeader().setMinimumSectionSize(26)
        set_widths(self.table, COLUMNS, self._width)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)
        self.table.clicked.connect(lambda index: self._go_to(index))
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.count)
        for signal in (session.slices_changed, session.display_changed, session.maps.changed):
            self.listen(signal, self.refresh)
        self.listen(session.parcel_changed, self._parcel_changed, soon=True)
        self.refresh()

    def refresh(self) -> None:
        """List the clusters of the chosen layer as it is painted now."""
        if not self.isVisible():
            self._listed = None  # listed at the next showing: clusters take a while
            return
        self._list_now()

    def baseline(self) -> str:
        """Of the layer that is listed."""
        overlay = self._listed.overlay if self._listed is not None else None
        return overlay.baseline if overlay is not None else ""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns where names could not be read: they come back with the room."""
        super().resizeEvent(event)
        for column, name in enumerate(COLUMNS):
            self.table.setColumnHidden(column, self.width() < scaled(_LEAST_PX.get(name, 0)))

    def showEvent(self, event: QShowEvent) -> None:
        """List what changed while hidden."""
        super().showEvent(event)
        self._list_now()

    def _parcel_changed(self) -> None:
        if self.session.display.overlay == "seed":
            self.refresh()

    def _list_now(self) -> None:
        session, stack = self.session, stack_of(self.session)
        drawn = stack.drawn("template")
        keys = [one.layer.key for one in drawn]
        key = self._key if self._key in keys else (keys[-1] if keys else "")
        self.layer_box.clear()
        for one in reversed(drawn):
            self.layer_box.addItem(one.title, one.layer.key)
        self.layer_box.setCurrentIndex(max(self.layer_box.findData(key), 0))
        listed = next((one for one in drawn if one.layer.key == key), None)
        opened = session.case
        if listed is None or opened is None or opened.view.affine is None:
            self._listed = None
            self._show((), self.empty_reason() if opened is None else "No layer is shown.")
            return
        if listed is self._listed:
            return
        self._listed = listed
        found = stack.clusters(listed, opened.view.affine)
        named = tuple(NamedCluster(one, self._region(one.peak_mm)) for one in found)
        count = f"{len(named)} cluster{'s' * (len(named) != 1)}"
        unit = listed.scale.unit
        stated = f", {unit}" if unit.startswith("no ") else f" in {unit}"
        self._show(named, f"{count}{stated}; {listed.hidden_text}")
        self._show_stamps()

    def _show(self, named: tuple[NamedCluster, ...], words: str) -> None:
        self._following = True
        self.model.show_clusters(named)
        self._following = False
        self.count.setText(words)
        self.count.setToolTip(words)

    def _region(self, mm: Point) -> str:
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        if opened is None or signals is None:
            return ""
        parcel = opened.parcel_at(mm)
        if parcel is None or parcel >= len(signals.parcel_names):
            return "outside the atlas"
        name = without_side(signals.parcel_names[parcel]).replace("_", " ")
        return f"{name}, {side_word(signals.hemispheres[parcel])}"

    def _choose(self, index: int) -> None:
        self._key = str(self.layer_box.itemData(index))
        self._list_now()

    def _width(self, name: str) -> int:
        return self.fontMetrics().horizontalAdvance(_WIDEST.get(name, "\N{MINUS SIGN}888")) + 14

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._following and self.table.hasFocus():
            self._go_to(current)

    def _go_to(self, index: QModelIndex) -> None:
        found = self.model.clusters[self.proxy.mapToSource(index).row()]
        self.session.select_point(found.cluster.peak_mm)

    def as_table(self) -> Table | None:
        """All clusters, in the order on screen."""
        if not self.model.clusters:
            return None
        rows = [
            self.model.clusters[self.proxy.mapToSource(self.proxy.index(row, 0)).row()].values()
            for row in range(self.proxy.rowCount())
        ]
        unit = self._listed.scale.unit if self._listed is not None else ""
        peak, mean = (titled(f"{what}, {unit}", self.baseline()) for what in ("Peak", "Mean"))
        names = {"Peak": peak, "Mean": mean, "x": "x, mm", "y": "y, mm",
                 "z": "z, mm"}  # fmt: skip
        return Table(tuple(names.get(name, name) for name in COLUMNS), rows)

    def sentence(self) -> str:
        """How many there are."""
        return self.count.text()
