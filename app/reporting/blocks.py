"""What a report is made of, without saying how it is written: the PDF and the HTML share these.

A section is a list of blocks in reading order. A `Picture` carries a finished matplotlib
`Figure`, its words and a text alternative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.colours import Rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str
    note: str = ""  # small, on the same line


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `kind` is "body", "caption", "lead" or "strong"."""

    text: str
    kind: str = "body"


@dataclass(frozen=True, slots=True)
class Band:
    """A full-width strip that cannot be overlooked."""

    text: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The outcome word, its sentence, and the probability with its interval (or none)."""

    word: str
    sentence: str
    value: str = ""
    label: str = ""  # what the value is


@dataclass(frozen=True, slots=True)
class Fields:
    """Label and value pairs, laid out in `columns` columns."""

    rows: tuple[tuple[str, str], ...]
    columns: int = 2
    label_share: float = 0.0  # of a column's width; 0 = a usual share


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a header row; `swatches` puts a colour before the first cell of each row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]  # relative
    align: str = ""  # one of "l", "r", "c" a column; "" = all left
    caption: str = ""
    swatches: tuple[Rgb, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its words; `alt` says in a sentence what it shows."""

    figure: Figure
    width_mm: float
    height_mm: float
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands where a figure or table would be and says why it is not there."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Blocks side by side; widths are relative."""

    parts: tuple[tuple[Block, ...], ...]
    widths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WriteIn:
    """Comment, name, signature: label and what stands there; the first is the comment."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Vertical space."""

    height_mm: float


Block = (
    Heading | Text | Band | Headline | Fields | Table | Picture | Missing | Columns | WriteIn | Gap
)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report; starts on a page of its own in the PDF, unless it may flow."""

    title: str
    blocks: tuple[Block, ...]
    flows: bool = False
