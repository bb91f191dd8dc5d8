"""Held spheres as outlines on slices, in the colour of their trace."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtGui import QColor

from app.connectome.roi import sphere_inside
from app.core.arrays import Floats
from app.gui.session import Session
from app.gui.traces import sphere_of
from app.gui.widgets.layer_pixels import Outline
from app.gui.widgets.trace_legend import look_of


def held_spheres(
    session: Session, space: str, affine: Floats, shape: tuple[int, ...]
) -> tuple[Outline, ...]:
    """The rims of the spheres that are held in a picture's own space.

    Parameters
    ----------
    space
        "template" or "scanner".
    affine, shape
        Of the picture.
    """
    found = []
    for index, key in enumerate(session.state.plots.held):
        ball = sphere_of(key)
        if ball is not None and ball[0] == space:
            grid = tuple(float(v) for v in np.asarray(affine).ravel())
            hue = QColor(look_of(index)[0])
            colour = (hue.red(), hue.green(), hue.blue())
            found.append(_outline(key, grid, tuple(shape[:3]), colour))
    return tuple(found)


@lru_cache(maxsize=16)
def _outline(
    key: str, affine: tuple[float, ...], shape: tuple[int, ...], colour: tuple[int, int, int]
) -> Outline:
    """Kept, so that a slice that is drawn again knows that nothing changed."""
    ball = sphere_of(key)
    assert ball is not None
    _, centre, radius = ball
    return Outline(sphere_inside(centre, radius, np.reshape(affine, (4, 4)), shape), colour)
