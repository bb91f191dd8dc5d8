"""Where the run lies: brain mask, map to the template by one or two routes, left and right."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.preprocessing.brain_mask import FoundMask, refine_brain_mask
from app.preprocessing.edge_offset import edge_offset_mm
from app.preprocessing.registration import (
    identity_registration,
    left_right_margin,
    register_to_template,
)
from app.preprocessing.t1_route import T1Templates, choose_route, register_through_t1


@dataclass(frozen=True, slots=True)
class TemplateImages:
    """What the chain needs of a template, all on one grid in its space."""

    epi_contrast: Image3D
    brain_mask: Image3D
    csf: Image3D  # probability 0..1
    white: Image3D
    t1: Image3D | None = None  # needed for the T1 route only


@dataclass(frozen=True, slots=True)
class Placed:
    """The run's place in the template."""

    mask: FoundMask  # refined
    spatial_map: SpatialMap
    left_right_margin: float
    edge_offset_mm: float


def place_directly(
    boldref: Image3D,
    mask: FoundMask,
    template: TemplateImages,
    *,
    raw: bool,
    seed: int,
    progress: Progress,
) -> SpatialMap:
    """The direct route; the identity where the run already lies in the template."""
    if not raw:
        return identity_registration(
            boldref, mask.image, template.epi_contrast, template.brain_mask
        )
    return register_to_template(
        boldref,
        mask.image,
        template.epi_contrast,
        template.brain_mask,
        seed=seed,
        progress=progress,
    )


def place_through_t1(
    direct: SpatialMap,
    boldref: Image3D,
    mask: FoundMask,
    t1: Image3D,
    template: TemplateImages,
    *,
    seed: int,
    progress: Progress,
) -> SpatialMap:
    """The better of both routes; the direct one, with the reason, where the T1 image fails."""
    if template.t1 is None:
        raise ValueError("the T1 route needs the template's T1 image")
    images = T1Templates(template.t1, template.brain_mask, template.epi_contrast)
    try:
        other = register_through_t1(boldref, mask.image, t1, images, seed=seed, progress=progress)
    except PreprocessingError as error:
        note = f"The T1 image was not used: {error.message}"
        return replace(direct, notes=(*direct.notes, note))
    return choose_route(direct, other, boldref, mask.image, images)


def finish_placement(
    boldref: Image3D, mask: FoundMask, spatial_map: SpatialMap, template: TemplateImages
) -> Placed:
    """Narrow the mask by the template's, compare left with right, and edges with the template."""
    refined = refine_brain_mask(mask, boldref, spatial_map, template.brain_mask)
    margin = left_right_margin(boldref, spatial_map, template.epi_contrast, template.brain_mask)
    offset = edge_offset_mm(
        boldref, refined.image, spatial_map, template.epi_contrast, template.brain_mask
    )
    return Placed(refined, spatial_map, margin, offset)
