"""Widgets in a row that goes on below where it is too long."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """From left to right, then in the next line; each widget has the size that it likes.

    Fields, whose size policy is Expanding, share what a line leaves free.

    Parameters
    ----------
    centred
        Whether the lines lie in the middle of the room.
    """

    def __init__(self, *, spacing: int = 8, centred: bool = False) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._centred = centred
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Take a widget in, at the end."""
        self._items.append(item)

    def count(self) -> int:
        """How many there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """None beyond the end, by which Qt learns where that is."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Let a widget go."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """It takes no more than it needs."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Narrower is higher."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Of all lines in a width."""
        lines = self._lines(width)
        return sum(high for _, high in lines) + self.spacing() * max(len(lines) - 1, 0)

    def setGeometry(self, rect: QRect) -> None:
        """Lay all lines."""
        super().setGeometry(rect)
        y = rect.top()
        for items, high in self._lines(rect.width()):
            wide = sum(one.sizeHint().width() for one in items) + self.spacing() * (len(items) - 1)
            free = max(rect.width() - wide, 0)
            fields = [one for one in items if _is_field(one)]
            x = rect.left() + (free // 2 if self._centred and not fields else 0)
            for one in items:
                size = one.sizeHint()
                if one in fields:
                    size.setWidth(size.width() + free // len(fields))
                size = size.boundedTo(QSize(rect.width(), high)).boundedTo(one.maximumSize())
                one.setGeometry(QRect(QPoint(x, y + (high - size.height()) // 2), size))
                x += size.width() + self.spacing()
            y += high + self.spacing()

    def sizeHint(self) -> QSize:
        """All in one line."""
        seen = self._seen()
        wide = sum(one.sizeHint().width() for one in seen) + self.spacing() * max(len(seen) - 1, 0)
        return QSize(wide, max((one.sizeHint().height() for one in seen), default=0))

    def minimumSize(self) -> QSize:
        """One in each line."""
        least = QSize(0, 0)
        for one in self._seen():
            least = least.expandedTo(one.minimumSize() if _is_field(one) else one.sizeHint())
        return least

    def _seen(self) -> list[QLayoutItem]:
        return [one for one in self._items if not one.isEmpty()]

    def _lines(self, width: int) -> list[tuple[list[QLayoutItem], int]]:
        """(items, height) of each line."""
        lines: list[tuple[list[QLayoutItem], int]] = []
        left = 0
        for one in self._seen():
            size = one.sizeHint()
            if lines and size.width() + self.spacing() <= left:
                items, high = lines[-1]
                items.append(one)
                lines[-1] = (items, max(high, size.height()))
                left -= size.width() + self.spacing()
            else:
                lines.append(([one], size.height()))
                left = width - size.width()
        return lines


def _is_field(item: QLayoutItem) -> bool:
    return bool(item.expandingDirections() & Qt.Orientation.Horizontal)


def flow(*widgets: QWidget, spacing: int = 8, centred: bool = False) -> FlowLayout:
    """A row of these widgets."""
    made = FlowLayout(spacing=spacing, centred=centred)
    for widget in widgets:
        made.addWidget(widget)
    return made
