"""Where a scene is seen from, as plain numbers that outlive the scene."""

from __future__ import annotations

from vtkmodules.vtkRenderingCore import vtkCamera

_Point = tuple[float, float, float]
Camera = tuple[_Point, _Point, _Point, float]  # stands at, looks at, what is up, angle in degrees


def camera_of(camera: vtkCamera) -> Camera:
    """As it stands now."""
    return (
        camera.GetPosition(),
        camera.GetFocalPoint(),
        camera.GetViewUp(),
        camera.GetViewAngle(),
    )


def put_camera(camera: vtkCamera, wanted: Camera) -> None:
    """Let it stand there again; its clipping range is the caller's."""
    camera.SetPosition(*wanted[0])
    camera.SetFocalPoint(*wanted[1])
    camera.SetViewUp(*wanted[2])
    camera.SetViewAngle(wanted[3])
