"""What a case folder holds beside its numbers: images, transform, and the window's view files."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.measure import Measured
from app.connectome.networks import network_order
from app.connectome.surface import load_fsaverage5
from app.core.images import Image3D, SpatialMap
from app.core.results import Case
from app.preprocessing.carpet import carpet_rows
from app.preprocessing.spatial_map import warp_volume_to_template

FileContents = dict[str, Any]


def measured_files(case: Case, measured: Measured) -> FileContents:
    """Images in scanner and template space, the transform, and everything under ``view/``."""
    signals = case.signals
    assert signals is not None
    stem, template, atlas = case.stem(), measured.template, measured.atlas
    grid = template.t1_2mm
    order = network_order(signals.networks, signals.hemispheres)
    finite = np.asarray(np.isfinite(signals.cleaned).all(axis=0), np.bool_)
    covered = order[finite[order]]
    files: FileContents = {
        "view/template.npy": np.clip(grid.data * (255.0 / grid.data.max()), 0, 255).astype(
            np.uint8
        ),
        "view/labels.npy": np.asarray(atlas.labels_2mm.data, np.int16),
        "view/view.json": {"affine": grid.affine.tolist(), "template": template.name},
        "view/surface.npz": load_fsaverage5(atlas),
        "view/carpet_before.npy": carpet_rows(signals.raw, covered),
        "view/carpet_after.npy": carpet_rows(signals.cleaned, covered),
        "view/carpet_rows.npy": covered.astype(np.int16),
    }
    return {**files, **_image_files(stem, measured)}


def _image_files(stem: str, measured: Measured) -> FileContents:
    """What only a scan has; nothing where parcel series were opened."""
    boldref, mask, spatial_map = measured.boldref, measured.mask, measured.spatial_map
    if boldref is None or mask is None or spatial_map is None:
        return {}
    name, grid = measured.template.name, measured.template.t1_2mm
    placed = warp_volume_to_template(boldref, spatial_map, grid.affine, grid.data.shape, order=3)
    return {
        f"{stem}_boldref.nii.gz": nifti_bytes(boldref),
        f"{stem}_desc-brain_mask.nii.gz": nifti_bytes(mask),
        f"{stem}_space-{name}_boldref.nii.gz": nifti_bytes(placed),
        f"{stem}_from-{name}_to-boldref_mode-image_xfm.npz": transform(spatial_map),
        "view/boldref.npy": np.asarray(placed.data, np.float32),
        "view/native_boldref.npy": np.asarray(boldref.data, np.float32),
        "view/native_mask.npy": np.asarray(mask.data, np.bool_),
        "view/native.json": {"affine": boldref.affine.tolist()},
    }


def attribution_files(case: Case, labels_2mm: Image3D) -> FileContents:
    """Parcel attributions painted into the template, one map a view; log-odds, nearest parcel."""
    from app.attribution.brain_maps import parcels_to_volume

    assert case.signals is not None
    assert case.attribution is not None
    attribution = case.attribution
    head = f"{case.stem()}_space-{case.signals.template}_atlas-{case.signals.atlas}"
    return {
        f"{head}_desc-attribution{name}_map.nii.gz": nifti_bytes(
            Image3D(
                parcels_to_volume(branch.per_parcel, np.asarray(labels_2mm.data, np.int16)),
                labels_2mm.affine,
                labels_2mm.space,
            )
        )
        for name, branch in (("", attribution.branches), ("scan", attribution.scan))
    }


def transform(spatial_map: SpatialMap) -> dict[str, NDArray[Any]]:
    """The map from template mm to scanner mm, as arrays (RAS+): see `core.images.SpatialMap`."""
    arrays: dict[str, NDArray[Any]] = {"affine": np.asarray(spatial_map.affine)}
    if spatial_map.displacement_mm is not None and spatial_map.displacement_affine is not None:
        arrays["displacement_mm"] = np.asarray(spatial_map.displacement_mm, np.float32)
        arrays["displacement_affine"] = np.asarray(spatial_map.displacement_affine)
    return arrays


def nifti_bytes(image: Image3D) -> bytes:
    """A gzipped NIfTI-1 of the image; the same image gives the same bytes."""
    import nibabel

    data = np.asarray(image.data)
    stored = data.astype(np.uint8 if data.dtype == np.bool_ else np.float32)
    made = nibabel.Nifti1Image(stored, image.affine)
    code = "scanner" if image.space == "scanner" else "mni"
    made.header.set_xyzt_units("mm", "sec")
    made.set_sform(image.affine, code=code)
    made.set_qform(image.affine, code=code)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed:
        packed.write(made.to_bytes())
    return buffer.getvalue()
