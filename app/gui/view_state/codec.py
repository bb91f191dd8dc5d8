"""The state as plain JSON values and back, checked field by field."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from typing import Any

from app.gui.view_state.display import Display
from app.gui.view_state.state import ViewState


def to_plain(state: ViewState) -> dict[str, Any]:
    """Numbers, texts, lists and dictionaries; without the application's preferences."""
    plain: dict[str, Any] = _adapter().dump_python(state, mode="json")
    for name in Display.SETTINGS:
        del plain["display"][name]
    return plain


def from_plain(plain: Any) -> ViewState:
    """The state that `to_plain` wrote; what a newer version added is left out.

    Raises
    ------
    ValueError
        A value is of a wrong type, not finite, or none of a part's `CHOICES`.
    """
    text = json.dumps(plain, allow_nan=False)
    state: ViewState = _adapter().validate_json(text, strict=True)
    for part in fields(state):
        held = getattr(state, part.name)
        for name, allowed in getattr(held, "CHOICES", {}).items():
            if getattr(held, name) not in allowed:
                raise ValueError(f"{part.name}.{name} cannot be {getattr(held, name)!r}")
    return state


def warm_up() -> None:
    """Import what the first saving needs; in a thread, so that the window does not wait for it."""
    _adapter()


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # slow to import, wanted at the first saving

    return TypeAdapter(ViewState)
