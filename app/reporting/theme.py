"""Fonts, sizes and colours of the report, and how a matplotlib figure is drawn in them.

The report's typeface is bundled (Source Sans Pro, SIL Open Font License), so a page looks the
same on every machine and signs such as the minus sign are never missing.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from app.core.colours import INK, MUTED, RULE, Rgb
from app.core.resources import resource_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILY = "Source Sans Pro"
FONT_FILES = {
    "Report": "SourceSansPro-Regular.ttf",
    "Report-Bold": "SourceSansPro-Semibold.ttf",
    "Report-Italic": "SourceSansPro-It.ttf",
}
MM = 72.0 / 25.4  # points in a millimetre
RASTER_DPI = 320
BODY_PT = 9.0
SMALL_PT = 7.6


def unit(colour: Rgb) -> tuple[float, float, float]:
    """A colour as three numbers 0..1."""
    return (colour[0] / 255.0, colour[1] / 255.0, colour[2] / 255.0)


@cache
def _know_fonts() -> None:
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    from matplotlib import font_manager

    for file in FONT_FILES.values():
        font_manager.fontManager.addfont(str(resource_path("fonts", file)))


@contextmanager
def drawing_style() -> Iterator[None]:
    """Figures made and saved inside have the report's fonts, sizes and thin lines."""
    import matplotlib

    _know_fonts()
    settings: dict[Any, Any] = {
        "font.family": [FAMILY, "DejaVu Sans"],
        "font.size": 7.5,
        "axes.titlesize": 8.0,
        "axes.titleweight": "semibold",
        "axes.titlelocation": "left",
        "axes.titlepad": 3.0,
        "axes.labelsize": 7.5,
        "axes.linewidth": 0.5,
        "axes.edgecolor": unit(MUTED),
        "axes.labelcolor": unit(INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": unit(INK),
        "xtick.labelsize": 7.0,
        "ytick.labelsize": 7.0,
        "xtick.color": unit(MUTED),
        "ytick.color": unit(MUTED),
        "xtick.labelcolor": unit(INK),
        "ytick.labelcolor": unit(INK),
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.pad": 2.0,
        "ytick.major.pad": 2.0,
        "legend.frameon": False,
        "legend.fontsize": 7.0,
        "legend.handlelength": 1.2,
        "hatch.linewidth": 0.4,
        "axes.unicode_minus": True,
        "pdf.fonttype": 42,
        "pdf.compression": 6,
        "savefig.dpi": RASTER_DPI,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """An empty figure of a physical size; never through pyplot, so no state is shared."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), dpi=RASTER_DPI, facecolor="none")


def axes_mm(
    figure: Figure, left: float, bottom: float, width: float, height: float, **options: object
) -> Axes:
    """Axes placed in millimetres from the lower left corner of the figure."""
    wide, tall = figure.get_size_inches() * 25.4
    box = (left / wide, bottom / tall, width / wide, height / tall)
    axes: Axes = figure.add_axes(box, **options)  # type: ignore[call-overload]
    return axes


def bare(axes: Axes) -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def light_grid(axes: Axes, axis: str = "y") -> None:
    """Thin lines behind the data."""
    axes.grid(True, axis=axis, color=unit(RULE), linewidth=0.4)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def figures_pdf(figures: Sequence[Figure], told: Callable[[float], None]) -> bytes:
    """The figures as a PDF, one page each, without date, producer or path.

    One file for all of them, so that each typeface is embedded once. `told` hears the fraction
    done before each and may raise to cancel.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    nothing = {"CreationDate": None, "Creator": None, "Producer": None}
    with drawing_style(), PdfPages(buffer, metadata=nothing) as pages:
        for number, figure in enumerate(figures):
            told(number / len(figures))
            pages.savefig(figure)
    return buffer.getvalue()


def figure_png(figure: Figure, dpi: int = 200) -> bytes:
    """The figure as PNG on white, without date or software tag."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with drawing_style():
        figure.set_dpi(dpi)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
