"""Where the window stood; the only thing that is kept as Qt's own bytes."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QWidget

from app.core.folders import config_folder


def _store() -> QSettings:
    return QSettings(str(config_folder() / "window.ini"), QSettings.Format.IniFormat)


def restore_geometry(window: QWidget) -> None:
    """Put the window where it was at the last end."""
    stored = _store().value("geometry")
    if isinstance(stored, QByteArray):
        window.restoreGeometry(stored)


def save_geometry(window: QWidget) -> None:
    """Remember where the window stands."""
    _store().setValue("geometry", window.saveGeometry())
