"""The signed version of a summary, as it was closed: its place, its export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import AppError, StorageError
from app.gui.widgets.file_dialogs import ask_save
from app.study.case_store import check_files
from app.study.files import replace_file, storage_errors

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

_VERSION = re.compile(r".+_version-(\d{2,4})\.pdf")
_KINDS = "PDF (*.pdf);;HTML (*.html)"


def signed_pdfs(folder: Path) -> tuple[Path, ...]:
    """The signed versions in a case folder, oldest first; each has an HTML twin beside it."""
    found = {}
    for path in (folder / "reports").glob("*_version-*.pdf"):
        named = _VERSION.fullmatch(path.name)
        if named is not None:
            found[int(named[1])] = path
    return tuple(found[version] for version in sorted(found))


def versions_text(folder: Path) -> str:
    """How many versions are signed, and which export is one of them; "" where none is."""
    count = len(signed_pdfs(folder))
    if not count:
        return ""
    return (
        f"Signed versions: {count}, the last one counts; in the case folder. Export PDF, Export "
        "HTML and the preview write a new copy, which is not signed."
    )


def ask_export(window: MainWindow) -> None:
    """Choose where a copy of the last signed version goes."""
    opened = window.session.case
    versions = signed_pdfs(opened.folder) if opened is not None else ()
    if opened is None or not versions:
        return
    name, chosen = ask_save(window, "Export the signed version", versions[-1].name, _KINDS)
    if not name:
        return
    target = Path(name)
    if target.suffix.lower() not in (".pdf", ".html", ".htm"):
        target = target.with_name(target.name + (".html" if "html" in chosen else ".pdf"))
    try:
        save_signed(opened.folder, versions[-1], target)
    except AppError as error:
        window.actions_.messages.tell(error)
    else:
        window.say("The signed version was saved.")


def save_signed(folder: Path, pdf: Path, target: Path) -> None:
    """Copy a signed PDF, or for ``.html`` its twin, byte by byte.

    Raises
    ------
    StorageError
        It is not what was signed, or cannot be written there.
    """
    html = target.suffix.lower() in (".html", ".htm")
    source = pdf.with_suffix(".html") if html else pdf
    name = source.relative_to(folder).as_posix()
    with storage_errors():
        if name not in check_files(folder, name.__eq__)[0]:
            raise StorageError(
                "The signed version was changed after it was signed, or is missing.",
                "Nothing was saved. Sign a new version; the changed one does not count.",
                code="report.signed_changed",
            )
        replace_file(target, source.read_bytes())
