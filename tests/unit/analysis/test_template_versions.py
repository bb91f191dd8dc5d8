"""Two versions of MNI152, 1 to 3 mm apart: a run is told to lie in the one that it lies in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from app.analysis.space_check import brain_points_mm
from app.analysis.template_versions import bend_mm, lead_of_claimed, version_findings
from app.connectome.templates import load_template
from app.core.images import Image3D
from app.core.results import Severity
from app.preprocessing.geometry import grid_points_mm
from app.preprocessing.spatial_map import read_at

NAMES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym")
pytestmark = pytest.mark.usefixtures("shared_cache")


def run_in(name: str, seed: int) -> tuple[Image3D, Image3D]:
    """A noisy, blurred, shaded run at 4 mm in that template, and its mask."""
    template = load_template(name, with_nuclei=False)
    random = np.random.default_rng(seed)
    brain = np.asarray(template.brain_mask_2mm.data)
    values = ndimage.gaussian_filter(np.asarray(template.epi_contrast_2mm.data, float), 1.0)
    shade = ndimage.gaussian_filter(random.normal(size=values.shape), 20.0)
    values = values * (1.0 + 0.2 * shade / np.abs(shade).max())
    values = values + random.normal(0.0, 0.03, values.shape)
    affine = np.array(template.epi_contrast_2mm.affine)
    affine[:3, :3] *= 2.0
    half = (slice(None, None, 2),) * 3
    return Image3D(values[half], affine, name), Image3D(brain[half], affine, name)


@pytest.mark.parametrize("lies_in", NAMES)
@pytest.mark.parametrize("claimed", NAMES)
def test_that_a_run_is_found_in_the_version_that_it_lies_in(lies_in: str, claimed: str) -> None:
    (finding,) = version_findings(*run_in(lies_in, 3), claimed)
    if lies_in == claimed:
        assert (finding.code, finding.severity) == ("derivative.space_version", Severity.NOTE)
    else:
        assert finding.code == "derivative.space_doubtful"
        assert finding.severity is Severity.BLOCKING
        assert f"lies in {lies_in}" in finding.message


def test_that_a_run_between_the_two_is_left_undecided() -> None:
    own, other = (load_template(name, with_nuclei=False) for name in NAMES)
    image, mask = run_in(own.name, 4)
    grid = np.asarray(image.data).shape
    places = grid_points_mm(grid, image.affine)
    part_way = places + 0.3 * bend_mm(other, own, places)
    between = Image3D(read_at(image, part_way, 1).reshape(grid), image.affine, own.name)
    (finding,) = version_findings(between, mask, own.name)
    assert (finding.code, finding.severity) == ("derivative.space_undecided", Severity.WARNING)


def test_that_the_versions_image_contrast_decides_nothing() -> None:
    """The other version's brain, bent to where the claimed version has it, lies in the claimed."""
    own, other = (load_template(name, with_nuclei=False) for name in NAMES)
    grid = np.asarray(own.epi_contrast_2mm.data).shape
    places = grid_points_mm(grid, own.epi_contrast_2mm.affine)
    there = places + bend_mm(own, other, places)
    bent = Image3D(read_at(other.epi_contrast_2mm, there, 1).reshape(grid),
                   own.epi_contrast_2mm.affine, own.name)  # fmt: skip
    assert lead_of_claimed(bent, own.brain_mask_2mm, own, other) > 0.03


def test_that_the_bend_there_and_back_ends_where_it_began() -> None:
    own, other = (load_template(name, with_nuclei=False) for name in NAMES)
    points = brain_points_mm(own.brain_mask_2mm)
    step = bend_mm(own, other, points)
    back = step + bend_mm(other, own, points + step)
    assert 1.0 < np.median(np.linalg.norm(step, axis=1)) < 2.5
    assert np.median(np.linalg.norm(back, axis=1)) < 0.4
