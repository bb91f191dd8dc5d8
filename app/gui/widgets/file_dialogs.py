"""The only place where files and folders are asked for: each dialog says what it is research for.

The system's own dialogs have no room for a line of ours but their title.
"""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QWidget

from app.core import wording


def ask_open(parent: QWidget, title: str, start: str = "", kinds: str = "") -> tuple[str, str]:
    """(path, chosen kind) of one file to open; "" where none was chosen."""
    return QFileDialog.getOpenFileName(parent, titled(title), start, kinds)


def ask_open_several(
    parent: QWidget, title: str, start: str = "", kinds: str = ""
) -> tuple[list[str], str]:
    """(paths, chosen kind) of files to open."""
    return QFileDialog.getOpenFileNames(parent, titled(title), start, kinds)


def ask_save(parent: QWidget, title: str, proposed: str = "", kinds: str = "") -> tuple[str, str]:
    """(path, chosen kind) of a file to write; "" where none was chosen."""
    return QFileDialog.getSaveFileName(parent, titled(title), proposed, kinds)


def ask_folder(parent: QWidget, title: str, start: str = "") -> str:
    """A folder; "" where none was chosen."""
    return QFileDialog.getExistingDirectory(parent, titled(title), start)


def titled(title: str) -> str:
    """The title with the line that every screen carries."""
    return f"{title} \N{EM DASH} {wording.RUO_LINE}"
