"""A `SpatialMap` as files that ants and ITK read: an affine as text, a warp as vector NIfTI.

``antsApplyTransforms -t AFFINE -t WARP`` brings an image from the scanner to the template: a
template point goes through the warp, then through the affine. ITK counts in LPS. HDF5 composites
hold the time at which they were written, so the same map would not give the same bytes.
"""

from __future__ import annotations

import gzip
import io

import numpy as np

from app.core.arrays import Floats
from app.core.images import SpatialMap

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_VECTOR_INTENT = 1007


def itk_affine_text(affine: Floats) -> bytes:
    """ITK's text file of a RAS affine (4, 4), centre 0."""
    lps = _FLIP @ np.asarray(affine, np.float64) @ _FLIP
    numbers = [*lps[:3, :3].ravel(), *lps[:3, 3]]
    return (
        "#Insight Transform File V1.0\n#Transform 0\n"
        "Transform: AffineTransform_double_3_3\n"
        f"Parameters: {' '.join(repr(float(number)) for number in numbers)}\n"
        "FixedParameters: 0 0 0\n"
    ).encode()


def itk_warp_nifti(spatial_map: SpatialMap) -> bytes | None:
    """Gzipped vector NIfTI (x, y, z, 1, 3) of the displacements in LPS mm; None without a warp."""
    import nibabel

    field, affine = spatial_map.displacement_mm, spatial_map.displacement_affine
    if field is None or affine is None:
        return None
    flipped = np.asarray(field, np.float32) * np.array([-1.0, -1.0, 1.0], np.float32)
    image = nibabel.Nifti1Image(flipped[:, :, :, None, :], np.asarray(affine))
    image.header.set_intent(_VECTOR_INTENT, (), "")
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed:
        packed.write(image.to_bytes())
    return buffer.getvalue()
