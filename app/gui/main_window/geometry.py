"""Where the window stood when it was closed last."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow

from app.core.folders import config_folder


def restore(window: QMainWindow) -> None:
    """Put the window where it stood."""
    stored = _store().value("geometry")
    if isinstance(stored, QByteArray):
        window.restoreGeometry(stored)


def save(window: QMainWindow) -> None:
    """Remember where it stands."""
    _store().setValue("geometry", window.saveGeometry())


def _store() -> QSettings:
    return QSettings(str(config_folder() / "window.ini"), QSettings.Format.IniFormat)
