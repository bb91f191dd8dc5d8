"""Where a view stands: one line a view in the registry, one drawing of areas a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.gui.widgets.view import View


@dataclass(frozen=True, slots=True)
class Place:
    """A view on a page.

    Views that name the same area lie behind each other as tabs, in the order of the registry.

    Parameters
    ----------
    step
        Key of the page: a step or a workspace.
    area
        Name of an area in the page's layout.
    view
        The class of the view.
    options
        Keywords that the view is made with.
    """

    step: str
    area: str
    view: type[View]
    options: Mapping[str, Any] = field(default_factory=dict)
