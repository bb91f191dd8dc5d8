"""The layers of the slices: which are there, in which order, and how each is drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core.colour_maps import COLOUR_MAPS, SIGNED_MAPS
from app.gui.session import Session
from app.gui.view_state.slices import SHARED, Layer
from app.gui.widgets.fields import choice, muted, pass_undo, set_choice
from app.gui.widgets.layer_stack import DrawnLayer, LayerStack
from app.gui.widgets.theme import scaled
from app.gui.widgets.tied_number import TiedNumber

_PERCENT = 100.0
_WIDTH_PX = 304
_ROLE = Qt.ItemDataRole.UserRole
_SHORT = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
_BY = {"share": "Top share", "value": "Value"}


class LayerPanel(QScrollArea):
    """A list with an eye each, and the settings of the chosen layer; all of it can be undone."""

    picture_whole = False  # controls: the slices would be stretched for them

    map_asked = Signal()  # open a map from a file
    export_asked = Signal(str)  # key of a layer

    def __init__(
        self, session: Session, stack: LayerStack, space: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.stack, self.space = session, stack, space
        self.key = SHARED
        self._filling = False
        self.setWidgetResizable(True)
        self.setMinimumWidth(scaled(_WIDTH_PX))
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.viewport().setAutoFillBackground(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Layers")
        inside = QWidget()
        inside.setAutoFillBackground(False)
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 0, 12, 0)
        column.setSpacing(4)
        self.list = QListWidget()
        self.list.setAccessibleName("Layers, the highest first; Space shows or hides one")
        self.list.setMaximumHeight(scaled(86))
        self.list.currentRowChanged.connect(self._row_chosen)
        self.list.itemChanged.connect(self._ticked)
        column.addWidget(self.list)
        column.addLayout(self._buttons())
        column.addLayout(self._form())
        self.notes = muted("")
        self.notes.setWordWrap(True)
        column.addWidget(self.notes)
        column.addStretch(1)
        self.setWidget(inside)
        self.refresh()

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        self.add = _button("Add…", "Add a NIfTI map or mask, or a GIfTI map, as a layer")
        self.remove = _button("Remove", "Remove the chosen layer; undo brings it back")
        self.up = _button("↑", "Raise the chosen layer")
        self.down = _button("↓", "Lower the chosen layer")
        self.export = _button("Save…", "Save the chosen layer as NIfTI, GIfTI and table")
        self.add.clicked.connect(lambda _checked=False: self.map_asked.emit())
        self.remove.clicked.connect(lambda _checked=False: self._remove())
        self.up.clicked.connect(lambda _checked=False: self._shift(1))
        self.down.clicked.connect(lambda _checked=False: self._shift(-1))
        self.export.clicked.connect(lambda _checked=False: self.export_asked.emit(self.key))
        for button in (self.add, self.remove, self.up, self.down, self.export):
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.colour_map = choice("Colour map", COLOUR_MAPS, "RdBu_r", self._set_colours)
        self.symmetric = QCheckBox("Symmetric about 0")
        self.symmetric.clicked.connect(
            lambda on: self._change("Symmetric range", symmetric=on, low=None)
        )
        self.automatic = QCheckBox("Automatic range")
        self.automatic.clicked.connect(self._set_automatic)
        self.low, self.high = _number("Low end of the range"), _number("High end of the range")
        self.low.valueChanged.connect(lambda v: self._change("Range", "range", low=v))
        self.high.valueChanged.connect(lambda v: self._change("Range", "range", high=v))
        ends = QHBoxLayout()
        for box in (self.low, self.high):
            ends.addWidget(box, 1)
        self.by = choice("Threshold by", _BY, "share", self._set_by)
        self.threshold = TiedNumber("Threshold: magnitudes below it are hidden")
        self.threshold.changed.connect(self._set_threshold)
        self.opacity = TiedNumber("Opacity", suffix=" %")
        self.opacity.set_range(0.0, 100.0, 0)
        self.opacity.changed.connect(self._set_opacity)
        for chooser in (self.colour_map, self.by):
            chooser.setMinimumWidth(0)
            chooser.setMinimumContentsLength(6)
            chooser.setSizeAdjustPolicy(_SHORT)
        for tied in (self.threshold, self.opacity):
            tied.released.connect(self.session.end_merge)
        self.cluster = QSpinBox()
        self.cluster.setRange(0, 1_000_000)
        self.cluster.setKeyboardTracking(False)
        self.cluster.setSuffix(" voxels")
        pass_undo(self.low, self.high, self.cluster)
        self.cluster.setAccessibleName("Smallest cluster that is drawn, in voxels")
        self.cluster.setToolTip("Clusters of fewer connected voxels are hidden")
        self.cluster.valueChanged.connect(
            lambda v: self._change("Smallest cluster", "cluster", smallest_cluster=v)
        )
        self.clip = QComboBox()
        self.clip.setMinimumContentsLength(6)
        self.clip.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.clip.setAccessibleName("Clip by another layer")
        self.clip.setToolTip("Draw only where the other layer is drawn")
        self.clip.activated.connect(
            lambda index: self._change("Clip", clip_by=str(self.clip.itemData(index)))
        )
        form.addRow("Colours", self.colour_map)
        form.addRow("", self.symmetric)
        form.addRow("", self.automatic)
        form.addRow("Range", ends)
        form.addRow("Hide by", self.by)
        form.addRow("", self.threshold)
        form.addRow("Opacity", self.opacity)
        form.addRow("Smallest", self.cluster)
        form.addRow("Clip by", self.clip)
        return form

    # showing the state -----------------------------------------------------------

    def layer(self) -> Layer:
        """The chosen layer as it is now: of the shared one, what `Display` holds included."""
        slices, display = self.session.state.slices, self.session.display
        found = slices.find(self.key) or slices.shared
        if found.key == SHARED:
            share = 1.0 - display.hidden_share
            return replace(found, top_share=share, opacity=display.opacity)
        return found

    def choose(self, key: str) -> None:
        """Go to a layer."""
        self.key = key
        self.refresh()

    def refresh(self) -> None:
        """Show what the state says."""
        slices = self.session.state.slices
        if slices.find(self.key) is None:
            self.key = SHARED
        self._filling = True
        self._fill_list()
        layer, drawn = self.layer(), self._found(self.key)
        signed = layer.colour_map in SIGNED_MAPS
        set_choice(self.colour_map, layer.colour_map)
        self.symmetric.setChecked(layer.symmetric and signed)
        self.symmetric.setEnabled(signed)
        self.automatic.setChecked(layer.low is None and layer.high is None)
        scale = drawn.scale if drawn is not None else None
        largest = max(abs(scale.low), abs(scale.high)) if scale is not None else 1.0
        decimals = 0 if largest >= 100 else 2 if largest >= 1 else 4
        for box in (self.low, self.high):
            box.setDecimals(decimals)
            box.setSingleStep(10.0**-decimals)
        if scale is not None:
            self.low.setValue(scale.low)
            self.high.setValue(scale.high)
        self.low.setEnabled(not (layer.symmetric and signed))
        by_value = layer.threshold is not None
        set_choice(self.by, "value" if by_value else "share")
        self.threshold.box.setSuffix("" if by_value else " %")
        if by_value:
            top = max(float(abs(drawn.values).max()) if drawn is not None else 1.0, 1e-9)
            self.threshold.set_range(0.0, max(top, layer.threshold or 0.0), max(decimals, 3))
            self.threshold.show_value(layer.threshold or 0.0)
        else:
            self.threshold.set_range(0.0, 100.0, 0)
            self.threshold.show_value(_PERCENT * layer.top_share)
        self.opacity.show_value(_PERCENT * layer.opacity)
        self.cluster.setValue(layer.smallest_cluster)
        self._fill_clip(layer)
        words = [] if drawn is None else [drawn.hidden_text, *drawn.notes]
        self.notes.setText("\n".join(words) or "Nothing to draw here.")
        self.remove.setEnabled(self.key != SHARED)
        keys = [one.key for one in slices.layers]
        self.up.setEnabled(self.key in keys[:-1])
        self.down.setEnabled(self.key in keys[1:])
        self.export.setEnabled(drawn is not None and drawn.overlay is not None)
        self._filling = False

    def _fill_list(self) -> None:
        layers = list(reversed(self.session.state.slices.stack))
        keys = [str(self.list.item(row).data(_ROLE)) for row in range(self.list.count())]
        if keys != [one.key for one in layers]:
            self.list.clear()
            for one in layers:
                item = QListWidgetItem()
                item.setData(_ROLE, one.key)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                self.list.addItem(item)
        for row, one in enumerate(layers):
            item, title = self.list.item(row), self._title(one)
            item.setText(title)
            item.setToolTip(title)
            state = Qt.CheckState.Checked if one.visible else Qt.CheckState.Unchecked
            item.setCheckState(state)
            if one.key == self.key and self.list.currentRow() != row:
                self.list.setCurrentRow(row)

    def _title(self, layer: Layer) -> str:
        drawn = self._found(layer.key)
        if drawn is not None:
            return drawn.title
        return layer.name or "No overlay"

    def _found(self, key: str) -> DrawnLayer | None:
        """A layer as it is drawn on this picture, or on the surface."""
        return self.stack.find(key, self.space) or self.stack.find(key, "surface")

    def _fill_clip(self, layer: Layer) -> None:
        self.clip.clear()
        self.clip.addItem("No other layer", "")
        for other in self.session.state.slices.stack:
            if other.key != layer.key:
                self.clip.addItem(self._title(other), other.key)
        self.clip.setCurrentIndex(max(self.clip.findData(layer.clip_by), 0))

    # changing it -------------------------------------------------------------------

    def _change(self, words: str, merge: str = "", **changes: Any) -> None:
        if self._filling:
            return
        slices = self.session.state.slices
        merge = f"{merge} {self.key}" if merge else ""
        if self.key == SHARED:
            shared = replace(slices.shared, **changes)
            self.session.change(words, "slices", merge=merge, shared=shared)
        else:
            layers = tuple(
                replace(one, **changes) if one.key == self.key else one for one in slices.layers
            )
            self.session.change(words, "slices", merge=merge, layers=layers)

    def _set_colours(self, key: str) -> None:
        self._change("Colour map", colour_map=key, low=None, high=None)

    def _set_automatic(self, on: bool) -> None:
        scale = self._found(self.key)
        if on or scale is None:
            self._change("Automatic range", low=None, high=None)
        else:
            self._change("Range", low=scale.scale.low, high=scale.scale.high)

    def _set_by(self, key: str) -> None:
        drawn = self._found(self.key)
        cut = drawn.scale.threshold if drawn is not None else 0.0
        self._change("Threshold", threshold=cut if key == "value" else None)

    def _set_threshold(self, value: float) -> None:
        if self._filling:
            return
        if self.layer().threshold is not None:
            self._change("Threshold", "threshold", threshold=value)
        elif self.key == SHARED:
            self.session.set_display(hidden_share=1.0 - value / _PERCENT)
        else:
            self._change("Threshold", "threshold", top_share=value / _PERCENT)

    def _set_opacity(self, value: float) -> None:
        if self._filling:
            return
        if self.key == SHARED:
            self.session.set_display(opacity=value / _PERCENT)
        else:
            self._change("Opacity", "opacity", opacity=value / _PERCENT)

    def _row_chosen(self, row: int) -> None:
        item = self.list.item(row)
        if item is not None and not self._filling:
            self.choose(str(item.data(_ROLE)))

    def _ticked(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        key = str(item.data(_ROLE))
        visible = item.checkState() == Qt.CheckState.Checked
        chosen, self.key = self.key, key
        self._change("Layer shown" if visible else "Layer hidden", visible=visible)
        self.key = chosen

    def _remove(self) -> None:
        key = self.key
        layers = tuple(
            replace(one, clip_by="") if one.clip_by == key else one
            for one in self.session.state.slices.layers
            if one.key != key
        )
        self.session.change("Layer removed", "slices", layers=layers)

    def _shift(self, up: int) -> None:
        layers = list(self.session.state.slices.layers)
        place = next((i for i, one in enumerate(layers) if one.key == self.key), None)
        if place is not None and 0 <= place + up < len(layers):
            layers[place], layers[place + up] = layers[place + up], layers[place]
            self.session.change("Order of layers", "slices", layers=tuple(layers))


def _button(text: str, words: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(words)
    button.setAccessibleName(words)
    return button


def _number(name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-1e9, 1e9)
    box.setMinimumWidth(60)
    box.setKeyboardTracking(False)
    box.setAccessibleName(name)
    box.setToolTip(name)
    return box
