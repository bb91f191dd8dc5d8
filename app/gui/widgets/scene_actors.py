"""Actors of the 3-D scene that are made of plain arrays: the glass brain, nodes, tubes, cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util import numpy_support
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkPolyDataNormals, vtkQuadricDecimation
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

from app.core.arrays import Bools, Floats, Ints
from app.gui.widgets.connectome_mesh import Triangles

_GLASS_VOXELS = 2  # one voxel of the outline for so many of the grid, along each axis
_GLASS_FACES = 12_000
_GLASS_OPACITY = 0.45


def to_vtk(array: NDArray[np.generic]) -> Any:
    """A VTK array that owns its copy of the numbers."""
    return numpy_support.numpy_to_vtk(array, deep=True)  # type: ignore[no-untyped-call]


def to_vtk_ids(array: NDArray[np.int64]) -> Any:
    """The same for VTK's index type."""
    return numpy_support.numpy_to_vtkIdTypeArray(array, deep=True)  # type: ignore[no-untyped-call]


def new_actor(data: vtkPolyData) -> vtkActor:
    """An actor with the scene's soft light."""
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(data)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetAmbient(0.25)
    actor.GetProperty().SetDiffuse(0.75)
    actor.GetProperty().SetSpecular(0.05)
    return actor


class MeshActor:
    """Triangles with one colour and one owner a face."""

    def __init__(self) -> None:
        self.data = vtkPolyData()
        self.actor = new_actor(self.data)
        self.owner: Ints = np.zeros(0, dtype=np.int64)

    def show(self, mesh: Triangles, rgb: NDArray[np.uint8]) -> None:
        """Take over a mesh; `rgb` is (face, 3)."""
        self.owner = np.asarray(mesh.owner)
        points = vtkPoints()
        points.SetData(to_vtk(mesh.points.astype(np.float32)))
        cells = vtkCellArray()
        cells.SetData(3, to_vtk_ids(np.ascontiguousarray(mesh.faces, dtype=np.int64).ravel()))
        plain = vtkPolyData()
        plain.SetPoints(points)
        plain.SetPolys(cells)
        self.data.ShallowCopy(with_normals(plain))
        colours = to_vtk(np.ascontiguousarray(rgb, dtype=np.uint8))
        colours.SetName("colour")
        self.data.GetCellData().SetScalars(colours)
        self.data.Modified()

    def clear(self) -> None:
        """Show nothing."""
        self.owner = np.zeros(0, dtype=np.int64)
        self.data.Initialize()
        self.data.Modified()


def with_normals(plain: vtkPolyData) -> vtkPolyData:
    """The mesh with a normal a point; its faces keep their order."""
    normals = vtkPolyDataNormals()
    normals.SetInputData(plain)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.ComputePointNormalsOn()
    normals.Update()
    found: vtkPolyData = normals.GetOutput()
    return found


def glass_actor(inside: Bools, affine: Floats) -> vtkActor:
    """The outline of a brain mask as thin glass, smoothed and decimated.

    Parameters
    ----------
    inside
        (x, y, z), the template's brain.
    affine
        (4, 4), voxel to mm, without shear or rotation.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter

    step = _GLASS_VOXELS
    coarse = binary_fill_holes(np.pad(np.asarray(inside)[::step, ::step, ::step], 2))
    smooth = gaussian_filter(coarse.astype(np.float32), 1.0)
    image = vtkImageData()
    image.SetDimensions(*smooth.shape)
    size = np.diag(affine)[:3] * step
    origin = affine[:3, 3] - 2 * size
    image.SetSpacing(*(float(v) for v in size))
    image.SetOrigin(*(float(v) for v in origin))
    image.GetPointData().SetScalars(to_vtk(smooth.ravel(order="F")))
    outline = vtkFlyingEdges3D()
    outline.SetInputData(image)
    outline.SetValue(0, 0.5)
    outline.ComputeNormalsOff()
    outline.ComputeScalarsOff()
    outline.Update()
    thin = vtkQuadricDecimation()
    thin.SetInputData(outline.GetOutput())
    faces = max(outline.GetOutput().GetNumberOfPolys(), 1)
    thin.SetTargetReduction(max(0.0, 1.0 - _GLASS_FACES / faces))
    thin.Update()
    actor = new_actor(with_normals(thin.GetOutput()))
    look = actor.GetProperty()
    look.SetColor(0.50, 0.56, 0.64)
    look.SetOpacity(_GLASS_OPACITY)
    look.SetAmbient(0.45)  # the rim, seen from the side, would be dark otherwise
    look.SetDiffuse(0.55)
    look.SetFrontfaceCulling(True)  # only the far wall: nothing lies before the connections
    actor.SetPickable(False)
    return actor
