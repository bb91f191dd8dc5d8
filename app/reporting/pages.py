"""The pages of a PDF as pictures: what the window shows is the file itself, not a likeness."""

from __future__ import annotations

from pathlib import Path

from app.core.errors import AppError

MOST_PAGES = 40


def page_pictures(pdf: Path, out: Path, *, dots_per_inch: float = 110.0) -> tuple[Path, ...]:
    """Draw every page as a PNG file ``page-01.png`` … in the folder `out`.

    Raises
    ------
    AppError
        ``reporting.no_pages``: the file cannot be drawn, or the library for it is missing.
    """
    try:
        import pypdfium2
    except ImportError as fault:
        raise AppError(
            "The pages cannot be shown here: the library pypdfium2 is not installed.",
            "The PDF itself is complete; open it with a PDF viewer.",
            code="reporting.no_pages",
        ) from fault
    found = []
    try:
        document = pypdfium2.PdfDocument(pdf)
        try:
            for number in range(min(len(document), MOST_PAGES)):
                page = document[number]
                picture = page.render(scale=dots_per_inch / 72.0).to_numpy()
                target = out / f"page-{number + 1:02d}.png"
                _write_png(target, picture)
                found.append(target)
                page.close()
        finally:
            document.close()
    except (pypdfium2.PdfiumError, OSError, ValueError) as fault:
        raise AppError(
            "The pages of the report could not be drawn.",
            "Export the PDF and open it with a PDF viewer.",
            code="reporting.no_pages",
        ) from fault
    return tuple(found)


def _write_png(target: Path, picture: object) -> None:
    """(row, column, BGR) bytes as PNG."""
    import numpy as np
    from matplotlib.image import imsave

    pixels = np.asarray(picture)
    colours = pixels[..., 2::-1] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    imsave(target, np.ascontiguousarray(colours))
