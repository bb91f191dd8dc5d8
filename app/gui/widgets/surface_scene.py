"""The cortical surface in VTK, drawn off-screen into a picture; imported at first use only.

Off-screen drawing gives the same picture on X11, Wayland, Windows and macOS and in every
screenshot. The surface is never mirrored: letters stand where the hemispheres are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import vtkmodules.vtkRenderingOpenGL2
from numpy.typing import NDArray
from vtkmodules.util import numpy_support
from vtkmodules.vtkCommonCore import vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkCellPicker, vtkRenderer, vtkRenderWindow

from app.core.arrays import Bools, Floats, Ints
from app.core.colour_maps import LayerScale
from app.gui.widgets.connectome_mesh import (
    Connections,
    edge_tubes,
    joined,
    node_radius,
    node_spheres,
    spheres,
    tubes,
)
from app.gui.widgets.scene_actors import (
    MeshActor,
    glass_actor,
    new_actor,
    to_vtk,
    to_vtk_ids,
    with_normals,
)
from app.gui.widgets.scene_camera import Camera, camera_of, put_camera
from app.gui.widgets.vertex_values import face_values, painted
from app.study.case_view import Surface

__all__ = ["VIEWS", "SurfaceScene"]
assert vtkmodules.vtkRenderingOpenGL2  # registers the renderer

_GAP_MM = 2.0
_STRIPE_MM = 5.0
_STRIPE = (22, 22, 26)  # the grey of the slices' hatching would be taken for cortex
_ARM_MM = 9.0  # of the cursor's cross
_CHOSEN = np.array([255, 235, 59], dtype=np.uint8)
_CURSOR = np.array([96, 220, 130], dtype=np.uint8)
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
        # Stripes across the cortex, for parcels whose explanation is in dispute.
        middle = np.asarray(surface.pial_mm, dtype=float)[self.faces].mean(axis=1)
        self.stripe = np.floor(middle.sum(axis=1) / _STRIPE_MM).astype(int) % 2 == 0
        self.mesh = vtkPolyData()
        self.outline = vtkPolyData()
        self.points: Floats = np.zeros((0, 3))
        self.actor = new_actor(self.mesh)
        self.outline_actor = new_actor(self.outline)
        self.outline_actor.GetProperty().SetColor(1.0, 0.92, 0.23)
        self.outline_actor.GetProperty().SetLineWidth(3.0)
        self.outline_actor.GetProperty().SetLighting(False)

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
        points.SetData(to_vtk(mm.astype(np.float32)))
        cells = vtkCellArray()
        cells.SetData(3, to_vtk_ids(self.faces.ravel().astype(np.int64)))
        plain = vtkPolyData()
        plain.SetPoints(points)
        plain.SetPolys(cells)
        self.mesh.ShallowCopy(with_normals(plain))

    def set_colours(
        self, table: NDArray[np.uint8], shown: NDArray[np.bool_], hatched: NDArray[np.bool_]
    ) -> None:
        """Colour each face by its parcel; entry 0 of all tables is "no parcel"."""
        grey = np.repeat(self.grey[:, None], 3, axis=1)
        bounded = np.where(self.face_label < len(table), self.face_label, 0)
        colours = np.where(shown[bounded][:, None], table[bounded], grey).astype(np.uint8)
        colours[hatched[bounded] & shown[bounded] & self.stripe] = _STRIPE
        self._paint(colours)

    def set_values(
        self, values: Floats | None, scale: LayerScale, opacity: float, *, labels: bool
    ) -> None:
        """Colour faces by what lies at their vertices; None leaves the side grey."""
        colours = np.repeat(self.grey[:, None], 3, axis=1).astype(np.uint8)
        if values is not None:
            found = face_values(values, self.faces, labels=labels)
            colours = painted(found, self.grey, scale, opacity)
        self._paint(colours)

    def _paint(self, colours: NDArray[np.uint8]) -> None:
        array = to_vtk(np.ascontiguousarray(colours))
        array.SetName("colour")
        self.mesh.GetCellData().SetScalars(array)
        self.mesh.Modified()

    def set_outline(self, parcels: Sequence[int]) -> None:
        """Draw the border of 0-based parcels as a whole."""
        ends = np.zeros((0, 2), dtype=np.int64)
        if len(parcels):
            inside = np.isin(self.face_label, np.asarray(parcels) + 1)
            sides = np.concatenate(
                [self.faces[inside][:, pair] for pair in ([0, 1], [1, 2], [2, 0])]
            )
            keys, counts = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
            ends = keys[counts == 1]  # a side that only one face inside has
        points = vtkPoints()
        # A hair outside the surface, or the lines would sink into it.
        centre = self.points.mean(axis=0)
        lifted = centre + (self.points - centre) * 1.008
        points.SetData(to_vtk(lifted.astype(np.float32)))
        cells = vtkCellArray()
        cells.SetData(2, to_vtk_ids(ends.ravel().astype(np.int64)))
        self.outline.Initialize()
        self.outline.SetPoints(points)
        self.outline.SetLines(cells)
        self.outline.Modified()


class SurfaceScene:
    """Both hemispheres or the glass brain, connections, a cursor; one camera, one window.

    Parameters
    ----------
    surfaces
        The two meshes; may be empty where a case has none.
    """

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
        self._glass: vtkActor | None = None
        self._is_glass = False
        self._shown_sides = "both"
        self.connections: Connections | None = None
        self._nodes, self._edges, self._chosen = MeshActor(), MeshActor(), MeshActor()
        self._cursor = MeshActor()
        self._cursor.actor.GetProperty().SetLighting(False)
        for side in self._sides:
            side.set_shape("pial")
            self._renderer.AddActor(side.actor)
            self._renderer.AddActor(side.outline_actor)
            self._picker.AddPickList(side.actor)
        for mesh in (self._nodes, self._edges, self._chosen, self._cursor):
            self._renderer.AddActor(mesh.actor)
        for mesh in (self._nodes, self._edges):
            self._picker.AddPickList(mesh.actor)
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
        self._shown_sides = shown
        for side in self._sides:
            visible = not self._is_glass and shown in ("both", side.side)
            side.actor.SetVisibility(visible)
            side.outline_actor.SetVisibility(visible)

    def set_glass(self, inside: Bools | None, affine: Floats | None) -> None:
        """Show the outline of the brain in place of its surface; None shows the surface again."""
        self._is_glass = inside is not None
        if inside is not None and affine is not None and self._glass is None:
            self._glass = glass_actor(inside, affine)
            self._renderer.AddActor(self._glass)
        if self._glass is not None:
            self._glass.SetVisibility(self._is_glass)
        self.set_sides(self._shown_sides)

    def set_connections(self, shown: Connections | None) -> None:
        """Draw connections between parcels, or none."""
        self.connections = shown
        if shown is None:
            for mesh in (self._nodes, self._edges, self._chosen):
                mesh.clear()
            return
        nodes, edges = node_spheres(shown), edge_tubes(shown)
        self._nodes.show(nodes, shown.node_rgb[nodes.owner])
        self._edges.show(edges, shown.edge_rgb[edges.owner])

    def set_chosen(self, parcels: Sequence[int], edge: tuple[int, int] | None) -> None:
        """Mark the selected parcels and connection among the connections."""
        shown = self.connections
        self._chosen.clear()
        if shown is None:
            return
        parts = []
        there = [p for p in parcels if np.isfinite(shown.centres_mm[p]).all()]
        if there:
            among = np.maximum(shown.degree, 1)
            radius = node_radius(among)[there] + 0.6
            parts.append(spheres(shown.centres_mm[there], radius, owner=np.zeros(len(there), int)))
        if edge is not None and np.isfinite(shown.centres_mm[list(edge)]).all():
            begin, end = shown.centres_mm[[edge[0]]], shown.centres_mm[[edge[1]]]
            parts.append(tubes(begin, end, np.array([1.7]), owner=np.zeros(1, int)))
        if parts:
            mesh = joined(parts)
            self._chosen.show(mesh, np.tile(_CHOSEN, (len(mesh.faces), 1)))

    def set_cursor(self, mm: tuple[float, float, float] | None) -> None:
        """A three-dimensional cross at a point of the template, or none."""
        self._cursor.clear()
        if mm is None:
            return
        centre = np.asarray(mm, dtype=float)
        arms = np.eye(3) * _ARM_MM
        mesh = tubes(centre - arms, centre + arms, np.full(3, 0.5), owner=np.zeros(3, int))
        self._cursor.show(mesh, np.tile(_CURSOR, (len(mesh.faces), 1)))

    def set_colours(
        self, rgb: NDArray[np.uint8], shown: Bools, hatched: Bools | None = None
    ) -> None:
        """Colour parcels, (parcel, 3) and (parcel,); hatched ones are striped grey."""
        table = np.zeros((len(rgb) + 1, 3), dtype=np.uint8)
        table[1:] = rgb
        wanted = np.zeros(len(rgb) + 1, dtype=bool)
        wanted[1:] = shown
        striped = np.zeros(len(rgb) + 1, dtype=bool)
        if hatched is not None:
            striped[1:] = hatched
        for side in self._sides:
            side.set_colours(table, wanted, striped)

    def set_vertex_values(
        self, values: Mapping[str, Floats], scale: LayerScale, opacity: float, *, labels: bool
    ) -> None:
        """Colour the surface by (vertex,) values of each side; a side without any stays grey."""
        for side in self._sides:
            side.set_values(values.get(side.side), scale, opacity, labels=labels)

    def set_outline(self, parcels: Sequence[int]) -> None:
        """Outline a parcel, or those of a network as a whole."""
        for side in self._sides:
            side.set_outline(parcels)

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

    def camera(self) -> Camera:
        """Where it is seen from."""
        return camera_of(self._renderer.GetActiveCamera())

    def put_camera(self, camera: Camera) -> None:
        """Look from there again."""
        put_camera(self._renderer.GetActiveCamera(), camera)
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

    def pick(self, x: int, y: int) -> tuple[int, ...] | None:
        """What lies under a pixel counted from the top left.

        Returns
        -------
        (parcel,) for a parcel, (first, second) for a connection, None for nothing.
        """
        height = self._window.GetSize()[1]
        self._picker.SetTolerance(0.004 if self._is_glass else 0.0005)  # tubes are thin
        if not self._picker.Pick(x, height - 1 - y, 0, self._renderer):
            return None
        cell, actor = self._picker.GetCellId(), self._picker.GetActor()
        if cell < 0:
            return None
        if actor is self._nodes.actor:
            return (int(self._nodes.owner[cell]),)
        if actor is self._edges.actor and self.connections is not None:
            edge = int(self._edges.owner[cell])
            return int(self.connections.first[edge]), int(self.connections.second[edge])
        for side in self._sides:
            if side.actor is actor:
                label = int(side.face_label[cell])
                return (label - 1,) if label > 0 else None
        return None

    def place_of(self, mm: tuple[float, float, float]) -> tuple[float, float]:
        """Pixel of a point of the template, counted from the top left."""
        self._renderer.SetWorldPoint((*mm, 1.0))
        self._renderer.WorldToDisplay()
        x, y, _depth = self._renderer.GetDisplayPoint()
        return x, self._window.GetSize()[1] - y

    def side_places(self) -> dict[str, tuple[float, float, float]]:
        """Where the letters L, R, A, P, S, I belong: x and y from the top left, and depth."""
        if not self._sides:
            return {}
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


def _face_labels(labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """One label a face from its three vertices: the one that two share, else the first."""
    first, second, third = (np.asarray(labels[:, i], dtype=np.int64) for i in range(3))
    return np.where(second == third, second, first)
