"""The cortical surface in VTK, drawn off-screen into a picture; imported at first use only.

Off-screen drawing gives the same picture on X11, Wayland, Windows and macOS and in every
screenshot. The surface is never mirrored: letters stand where the hemispheres are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtkmodules.vtkRenderingOpenGL2
from numpy.typing import NDArray
from vtkmodules.util import numpy_support
from vtkmodules.vtkCommonCore import vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkCellPicker,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
)

from app.core.arrays import Floats, Ints
from app.study.case_view import Surface

__all__ = ["VIEWS", "SurfaceScene"]
assert vtkmodules.vtkRenderingOpenGL2  # registers the renderer

_GAP_MM = 2.0
# name: (direction from which one looks, what is up)
VIEWS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "Left": ((-1, 0, 0), (0, 0, 1)),
    "Right": ((1, 0, 0), (0, 0, 1)),
    "Front": ((0, 1, 0), (0, 0, 1)),
    "Back": ((0, -1, 0), (0, 0, 1)),
    "Top": ((0, 0, 1), (0, 1, 0)),
    "Bottom": ((0, 0, -1), (0, 1, 0)),
}


class _Hemisphere:
    """Mesh, colours and outline of one side."""

    def __init__(self, surface: Surface, side: str) -> None:
        self.side = side
        self.surface = surface
        self.faces: Ints = np.asarray(surface.faces, dtype=np.int64)
        self.face_label = _face_labels(np.asarray(surface.labels)[self.faces])
        sulc = np.asarray(surface.sulc)[self.faces].mean(axis=1)
        # Two greys, soft between them: gyri light, sulci darker.
        self.grey = np.clip(168.0 - 34.0 * np.tanh(sulc / (np.std(sulc) or 1.0)), 0, 255)
        self.mesh = vtkPolyData()
        self.outline = vtkPolyData()
        self.points: Floats = np.zeros((0, 3))
        self.actor = self._actor(self.mesh)
        self.outline_actor = self._actor(self.outline)
        self.outline_actor.GetProperty().SetColor(1.0, 0.92, 0.23)
        self.outline_actor.GetProperty().SetLineWidth(3.0)
        self.outline_actor.GetProperty().SetLighting(False)

    def _actor(self, data: vtkPolyData) -> vtkActor:
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(data)
        actor = vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetAmbient(0.25)
        actor.GetProperty().SetDiffuse(0.75)
        actor.GetProperty().SetSpecular(0.05)
        return actor

    def set_shape(self, kind: str) -> None:
        """Pial, or inflated and moved beside the midline."""
        mm = np.array(
            self.surface.inflated_mm if kind == "inflated" else self.surface.pial_mm, dtype=float
        )
        if kind == "inflated":
            left = self.side == "left"
            shift = -_GAP_MM - mm[:, 0].max() if left else _GAP_MM - mm[:, 0].min()
            mm[:, 0] += shift
        self.points = mm
        points = vtkPoints()
        points.SetData(_to_vtk(mm.astype(np.float32)))
        cells = vtkCellArray()
        cells.SetData(3, _to_vtk_ids(self.faces.ravel().astype(np.int64)))
        plain = vtkPolyData()
        plain.SetPoints(points)
        plain.SetPolys(cells)
        normals = vtkPolyDataNormals()
        normals.SetInputData(plain)
        normals.SplittingOff()
        normals.ConsistencyOff()
        normals.ComputePointNormalsOn()
        normals.Update()
        self.mesh.ShallowCopy(normals.GetOutput())

    def set_colours(self, table: NDArray[np.uint8], shown: NDArray[np.bool_]) -> None:
        """Colour each face by its parcel; entry 0 of both tables is "no parcel"."""
        grey = np.repeat(self.grey[:, None], 3, axis=1)
        bounded = np.where(self.face_label < len(table), self.face_label, 0)
        colours = np.where(shown[bounded][:, None], table[bounded], grey).astype(np.uint8)
        array = _to_vtk(np.ascontiguousarray(colours))
        array.SetName("colour")
        self.mesh.GetCellData().SetScalars(array)
        self.mesh.Modified()

    def set_outline(self, parcel: int | None) -> None:
        """Draw the border of one 0-based parcel."""
        ends = np.zeros((0, 2), dtype=np.int64)
        if parcel is not None:
            inside = self.face_label == parcel + 1
            sides = np.concatenate(
                [self.faces[inside][:, pair] for pair in ([0, 1], [1, 2], [2, 0])]
            )
            keys, counts = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
            ends = keys[counts == 1]  # a side that only one face of the parcel has
        points = vtkPoints()
        # A hair outside the surface, or the lines would sink into it.
        centre = self.points.mean(axis=0)
        lifted = centre + (self.points - centre) * 1.008
        points.SetData(_to_vtk(lifted.astype(np.float32)))
        cells = vtkCellArray()
        cells.SetData(2, _to_vtk_ids(ends.ravel().astype(np.int64)))
        self.outline.Initialize()
        self.outline.SetPoints(points)
        self.outline.SetLines(cells)
        self.outline.Modified()


class SurfaceScene:
    """Both hemispheres, one camera, one off-screen window."""

    def __init__(self, surfaces: dict[str, Surface]) -> None:
        self._sides = [_Hemisphere(surface, side) for side, surface in surfaces.items()]
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(0.0, 0.0, 0.0)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._picker = vtkCellPicker()
        self._picker.SetTolerance(0.0005)
        self._picker.PickFromListOn()
        for side in self._sides:
            side.set_shape("pial")
            self._renderer.AddActor(side.actor)
            self._renderer.AddActor(side.outline_actor)
            self._picker.AddPickList(side.actor)
        self._view = "Left"
        self.look_from("Left")

    def graphics(self) -> str:
        """Vendor, renderer and version of OpenGL, as the driver tells them."""
        told = str(self._window.ReportCapabilities()).splitlines()
        wanted = ("OpenGL vendor string", "OpenGL renderer string", "OpenGL version string")
        return ", ".join(
            line.partition(":")[2].strip() for line in told if line.strip().startswith(wanted)
        )

    def close(self) -> None:
        """Give the graphics memory back; nothing may be drawn afterwards."""
        self._window.Finalize()

    # content -------------------------------------------------------------------

    def set_shape(self, kind: str) -> None:
        """Show "pial" or "inflated"."""
        for side in self._sides:
            side.set_shape(kind)
        self._renderer.ResetCameraClippingRange()

    def set_sides(self, shown: str) -> None:
        """Show "both", "left" or "right", so that the inner faces can be seen."""
        for side in self._sides:
            visible = shown in ("both", side.side)
            side.actor.SetVisibility(visible)
            side.outline_actor.SetVisibility(visible)

    def set_colours(self, rgb: NDArray[np.uint8], shown: NDArray[np.bool_]) -> None:
        """Colour parcels, (parcel, 3) and (parcel,)."""
        table = np.zeros((len(rgb) + 1, 3), dtype=np.uint8)
        table[1:] = rgb
        wanted = np.zeros(len(rgb) + 1, dtype=bool)
        wanted[1:] = shown
        for side in self._sides:
            side.set_colours(table, wanted)

    def set_outline(self, parcel: int | None) -> None:
        """Outline one parcel."""
        for side in self._sides:
            side.set_outline(parcel)

    # camera --------------------------------------------------------------------

    def look_from(self, name: str) -> None:
        """Go to one of `VIEWS` and fit the surface into the window."""
        self._view = name
        direction, up = VIEWS[name]
        camera = self._renderer.GetActiveCamera()
        camera.SetFocalPoint(0.0, 0.0, 0.0)
        camera.SetPosition(*direction)
        camera.SetViewUp(*up)
        self._renderer.ResetCamera()
        camera.Zoom(1.45)

    def rotate(self, across_deg: float, up_deg: float) -> None:
        """Turn the camera about the surface."""
        camera = self._renderer.GetActiveCamera()
        camera.Azimuth(-across_deg)
        camera.Elevation(up_deg)
        camera.OrthogonalizeViewUp()
        self._renderer.ResetCameraClippingRange()

    def zoom(self, factor: float) -> None:
        """Come nearer (factor over 1) or go back."""
        self._renderer.GetActiveCamera().Zoom(factor)

    # picture --------------------------------------------------------------------

    def render(self, width: int, height: int) -> NDArray[np.uint8]:
        """Draw and return (height, width, 4) RGBA, rows from the top."""
        if self._window.GetSize() != (width, height):
            self._window.SetSize(width, height)
        self._window.Render()
        pixels = vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)  # type: ignore[call-overload]
        picture: NDArray[np.uint8] = numpy_support.vtk_to_numpy(pixels)  # type: ignore[no-untyped-call]
        picture = picture.reshape(height, width, 4)[::-1]
        return np.ascontiguousarray(picture)

    def pick(self, x: int, y: int) -> int | None:
        """0-based parcel under a pixel counted from the top left; None if there is none."""
        height = self._window.GetSize()[1]
        if not self._picker.Pick(x, height - 1 - y, 0, self._renderer):
            return None
        cell, actor = self._picker.GetCellId(), self._picker.GetActor()
        for side in self._sides:
            if side.actor is actor and cell >= 0:
                label = int(side.face_label[cell])
                return label - 1 if label > 0 else None
        return None

    def side_places(self) -> dict[str, tuple[float, float, float]]:
        """Where the letters L, R, A, P, S, I belong: x and y from the top left, and depth."""
        low = np.min([s.points.min(axis=0) for s in self._sides], axis=0)
        high = np.max([s.points.max(axis=0) for s in self._sides], axis=0)
        middle = (low + high) / 2.0
        found = {}
        letters = (("L", "R"), ("P", "A"), ("I", "S"))
        for axis, pair in enumerate(letters):
            for letter, end in zip(pair, (low[axis] - 8.0, high[axis] + 8.0), strict=True):
                point = middle.copy()
                point[axis] = end
                self._renderer.SetWorldPoint((*point, 1.0))
                self._renderer.WorldToDisplay()
                x, y, depth = self._renderer.GetDisplayPoint()
                found[letter] = (x, self._window.GetSize()[1] - y, depth)
        return found


def _to_vtk(array: NDArray[np.generic]) -> Any:
    """A VTK array that owns its copy of the numbers."""
    return numpy_support.numpy_to_vtk(array, deep=True)  # type: ignore[no-untyped-call]


def _to_vtk_ids(array: NDArray[np.int64]) -> Any:
    """The same for VTK's index type."""
    return numpy_support.numpy_to_vtkIdTypeArray(array, deep=True)  # type: ignore[no-untyped-call]


def _face_labels(labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """One label a face from its three vertices: the one that two share, else the first."""
    first, second, third = (np.asarray(labels[:, i], dtype=np.int64) for i in range(3))
    return np.where(second == third, second, first)
