"""Places beside the five steps, such as the one for cohorts; hidden in clinic mode.

A workspace is one line in `WORKSPACES`: it gets an entry below the steps, a key, a line in menu,
palette and key list, and its page is made when it is first opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


@dataclass(frozen=True, slots=True)
class Workspace:
    """Key (also of its icon), title, delivered keys, and what makes its page."""

    key: str
    title: str
    keys: str
    make: Callable[[MainWindow], QWidget]


WORKSPACES: tuple[Workspace, ...] = ()
