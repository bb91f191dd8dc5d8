"""What a case folder holds beside its numbers: images, transform, and the window's view files."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.measure import Measured
from app.analysis.sidecars import derivative_files, image_sidecars
from app.connectome.networks import network_order
from app.connectome.surface import load_fsaverage5
from app.core.images import Image3D, SpatialMap
from app.core.results import Case
from app.preprocessing.carpet import carpet_rows
from app.preprocessing.itk_files import itk_affine_text, itk_warp_nifti
from app.preprocessing.spatial_map import warp_volume_to_template

FileContents = dict[str, Any]


def measured_files(case: Case, measured: Measured) -> FileContents:
    """Images in scanner and template space, the transform, and everything under ``view/``."""
    signals = case.signals
    assert signals is not None
    stem, template, atlas = case.stem(), measured.template, measured.atlas
    grid = template.t1_2mm
    order = network_order(signals.networks, signals.hemispheres)
    # what was sampled has a row, also where motion left nothing to clean
    finite = np.asarray(np.isfinite(signals.raw).all(axis=0), np.bool_)
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
        **_registration_pictures(measured),
    }
    return {
        **files,
        **_image_files(stem, measured),
        **_raw_run_images(stem, measured),
        **derivative_files(case, measured),
        **image_sidecars(case, measured),
    }


def _registration_pictures(measured: Measured) -> FileContents:
    """Both brain masks and the signal-to-noise map on the template's 2 mm grid, of a scan."""
    grid, spatial_map = measured.template.t1_2mm, measured.spatial_map
    if measured.mask is None or spatial_map is None:
        return {}
    shape = grid.data.shape
    mask = warp_volume_to_template(measured.mask, spatial_map, grid.affine, shape, order=0)
    files: FileContents = {
        "view/mask.npy": np.asarray(mask.data, np.bool_),
        "view/template_mask.npy": np.asarray(measured.template.brain_mask_2mm.data, np.bool_),
    }
    if measured.made is not None:
        snr = warp_volume_to_template(
            measured.made.temporal_snr, spatial_map, grid.affine, shape, order=1
        )
        # Linear, and only inside the warped mask: the map is 0 outside the scan's own mask.
        files["view/tsnr.npy"] = np.where(mask.data, snr.data, 0.0).astype(np.float32)
    return files


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


def _raw_run_images(stem: str, measured: Measured) -> FileContents:
    """Tissue masks, signal-to-noise map and the transform for other tools, of a raw run."""
    made, spatial_map = measured.made, measured.spatial_map
    if made is None or spatial_map is None:
        return {}
    name = measured.template.name
    reference = {"Sources": [f"bids::{stem}_boldref.nii.gz"]}
    label = "Voxels that are surely this tissue, eroded; their means are confounds"
    return {
        f"{stem}_label-WM_mask.nii.gz": nifti_bytes(made.white),
        f"{stem}_label-WM_mask.json": {"Type": "ROI", "Description": label, **reference},
        f"{stem}_label-CSF_mask.nii.gz": nifti_bytes(made.csf),
        f"{stem}_label-CSF_mask.json": {"Type": "ROI", "Description": label, **reference},
        f"{stem}_stat-tsnr_boldmap.nii.gz": nifti_bytes(made.temporal_snr),
        f"{stem}_stat-tsnr_boldmap.json": {
            "Description": "Mean over standard deviation in time, quadratic trend left out",
            **reference,
        },
        **_itk_files(f"{stem}_from-boldref_to-{name}_mode-image", name, spatial_map),
    }


def _itk_files(stem: str, template: str, spatial_map: SpatialMap) -> FileContents:
    """The transform for ants and ITK; what it is stands in one JSON."""
    files: FileContents = {
        f"{stem}_desc-affine_xfm.txt": itk_affine_text(np.asarray(spatial_map.affine)),
        f"{stem}_desc-affine_xfm.json": {
            "Description": "ITK transforms in LPS; antsApplyTransforms -t the affine, then -t the "
            "warp (if there is one), takes the reference image to the template",
            "SpatialReference": template,
        },
    }
    warp = itk_warp_nifti(spatial_map)
    if warp is not None:
        files[f"{stem}_desc-warp_xfm.nii.gz"] = warp
    return files


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


def nifti_bytes(image: Image3D, *, description: str = "", comment: str = "") -> bytes:
    """A gzipped NIfTI-1 of the image; the same image gives the same bytes.

    `description` goes into the header's field of 79 characters, `comment` whole into an extension
    of the header.
    """
    import nibabel

    data = np.asarray(image.data)
    stored = data.astype(np.uint8 if data.dtype == np.bool_ else np.float32)
    made = nibabel.Nifti1Image(stored, image.affine)
    code = "scanner" if image.space == "scanner" else "mni"
    made.header.set_xyzt_units("mm", "sec")
    if description:
        made.header["descrip"] = description.encode("ascii", "replace")[:79]
    if comment:
        made.header.extensions.append(
            nibabel.nifti1.Nifti1Extension("comment", comment.encode("utf-8"))
        )
    made.set_sform(image.affine, code=code)
    made.set_qform(image.affine, code=code)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed:
        packed.write(made.to_bytes())
    return buffer.getvalue()
