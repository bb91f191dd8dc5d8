"""Valid files, however odd, load with exact values and the right place in the world."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import stat
from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.core.errors import CancelledError
from app.core.progress import Progress
from app.core.results import Severity
from app.scans.nifti import inspect_header, read_nifti
from tests.unit.scans.nifti_files import AFFINE, SHAPE, body, header1, header2, voxels, write

REFERENCE = Path(__file__).parents[2] / "reference" / "nifti_valid_odd"


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("name", ["run.nii", "run.nii.gz"])
def test_that_every_real_type_and_byte_order_loads_exactly(tmp_path, load, dtype, endian, name):
    """[N8] Every type and byte order."""
    data = voxels(dtype)
    loaded = load(write(tmp_path / name, data, endian))
    np.testing.assert_array_equal(loaded.image.data, data)
    assert loaded.image.data.dtype == np.dtype(dtype)
    np.testing.assert_allclose(loaded.scan.affine, AFFINE)
    assert loaded.scan.shape == SHAPE
    assert loaded.scan.repetition_time_s == 2.0
    assert loaded.findings == ()


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_that_nifti_2_loads_exactly(tmp_path, load, endian, packed):
    """[N8] NIfTI-2."""
    data = voxels("i2")
    content = header2(SHAPE, "i2", endian) + b"\0" * 4 + body(data, endian)
    path = tmp_path / ("run.nii.gz" if packed else "run.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(load(path).image.data, data)


@pytest.mark.parametrize("chosen", ["run.hdr", "run.img"])
@pytest.mark.parametrize("packed", [False, True])
def test_that_either_half_of_a_pair_opens_it(tmp_path, load, chosen, packed):
    """[N8] .hdr and .img."""
    data = voxels("i2")
    parts = {"run.hdr": header1(magic=b"ni1\0", vox_offset=0), "run.img": body(data)}
    digest = hashlib.sha256()
    for name, content in parts.items():
        stored = gzip.compress(content, mtime=0) if packed else content
        digest.update(stored)
        (tmp_path / (name + ".gz" * packed)).write_bytes(stored)
    loaded = load(tmp_path / (chosen + ".gz" * packed))
    np.testing.assert_array_equal(loaded.image.data, data)
    assert loaded.scan.sha256 == digest.hexdigest()


def test_that_slope_and_intercept_stay_apart_from_stored_values(tmp_path, load):
    data = voxels("i2")
    loaded = load(write(tmp_path / "run.nii", data, slope=0.5, intercept=-3.0))
    np.testing.assert_array_equal(loaded.image.data, data)
    assert (loaded.image.slope, loaded.image.intercept) == (0.5, -3.0)


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_that_a_slope_of_zero_or_nan_means_no_scaling(tmp_path, load, slope):
    loaded = load(write(tmp_path / "run.nii", slope=slope, intercept=7.0))
    assert (loaded.image.slope, loaded.image.intercept) == (1.0, 0.0)


ORIENTATIONS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_that_all_48_storage_orientations_give_the_same_image(tmp_path, load, axes, flips, form):
    """[N7] 48 orientations, by sform and by qform."""
    truth = voxels("i2")
    # Stored array: axis k of the store runs along world axis axes[k], backwards if flips[k] < 0.
    stored = truth.transpose(*axes, 3)[tuple(slice(None, None, f) for f in flips)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    affine[:3, 3] = AFFINE[:3, 3]
    for k, (world, flip) in enumerate(zip(axes, flips, strict=True)):
        affine[world, k] = flip * AFFINE[world, world]
        if flip < 0:
            affine[world, 3] += AFFINE[world, world] * (truth.shape[world] - 1)
    fields = {"srow": affine[:3]}
    if form == "qform":
        made = nibabel.Nifti1Header()
        made.set_qform(affine, code=1)
        fields = {
            "sform_code": 0,
            "qform_code": 1,
            "pixdim": (*made["pixdim"][:4], 2.0, 0, 0, 0),
            "quatern": [float(made[f"quatern_{axis}"]) for axis in "bcd"],
            "qoffset": affine[:3, 3],
        }
    else:
        sizes = [abs(AFFINE[world, world]) for world in axes]
        fields["pixdim"] = (1, *sizes, 2.0, 0, 0, 0)
    loaded = load(write(tmp_path / "run.nii", stored, **fields))
    np.testing.assert_array_equal(loaded.image.data, truth)
    np.testing.assert_allclose(loaded.scan.affine, AFFINE, atol=2e-5)
    assert loaded.scan.storage_orientation == "".join(nibabel.aff2axcodes(affine))
    assert loaded.findings == ()


@pytest.mark.parametrize("seed", range(5))
def test_that_an_oblique_run_keeps_its_angles_as_nibabel_sees_them(tmp_path, load, seed):
    """[N7] Oblique."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = rotation * [2.0, 2.5, 3.0]
    affine[:3, 3] = rng.uniform(-60, 60, 3)
    image = nibabel.Nifti1Image(voxels("i2"), affine)
    image.header.set_zooms((2.0, 2.5, 3.0, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nibabel.save(image, tmp_path / "run.nii")
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "run.nii"))
    loaded = load(tmp_path / "run.nii")
    np.testing.assert_allclose(loaded.scan.affine, canonical.affine, atol=1e-5)
    np.testing.assert_array_equal(loaded.image.data, np.asarray(canonical.dataobj))


def test_that_a_repetition_time_in_ms_or_us_is_read_by_its_unit(tmp_path, load):
    """[N6] Unit codes."""
    for units, value in ((16, 2400.0), (24, 2.4e6)):
        pixdim = (1, 3.0, 3.5, 4.0, value, 0, 0, 0)
        loaded = load(write(tmp_path / "run.nii", pixdim=pixdim, units=2 | units))
        assert loaded.scan.repetition_time_s == 2.4
        assert loaded.scan.repetition_time_source == "header"


def test_that_lengths_in_metres_are_converted_and_said(tmp_path, load):
    """[N5] Metres for millimetres."""
    fields = {"pixdim": (1, 3e-3, 3.5e-3, 4e-3, 2, 0, 0, 0), "srow": AFFINE[:3] / 1000}
    loaded = load(write(tmp_path / "run.nii", units=1 | 8, **fields))
    np.testing.assert_allclose(loaded.scan.affine, AFFINE, atol=1e-5)
    assert [f.code for f in loaded.findings] == ["scan.space_unit"]


def test_that_trailing_axes_of_one_are_no_fifth_dimension(tmp_path, load):
    data = voxels("i2")
    path = write(tmp_path / "run.nii", data, dim=(7, *SHAPE, 1, 1, 1))
    np.testing.assert_array_equal(load(path).image.data, data)


def test_that_header_extensions_are_passed_over(tmp_path, load):
    data = voxels("i2")
    content = header1(vox_offset=352 + 64) + b"\1\0\0\0" + (64).to_bytes(4, "little")
    content += (6).to_bytes(4, "little") + b"comment".ljust(56, b"\0") + body(data)
    for name in ("run.nii", "run.nii.gz"):
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        np.testing.assert_array_equal(load(tmp_path / name).image.data, data)


def test_that_gzip_in_several_members_and_with_zero_padding_loads(tmp_path, load):
    """[N2] Valid members are no bomb."""
    data = voxels("i2")
    content = header1() + b"\0" * 4 + body(data)
    cuts = [0, 100, 349, 5000, len(content)]
    members = [gzip.compress(content[a:b]) for a, b in itertools.pairwise(cuts)]
    path = tmp_path / "run.nii.gz"
    path.write_bytes(b"".join(members) + b"\0" * 512)
    np.testing.assert_array_equal(load(path).image.data, data)


def test_that_the_hash_is_of_the_bytes_on_disk(tmp_path, load):
    for name in ("run.nii", "run.nii.gz"):
        path = write(tmp_path / name)
        assert load(path).scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_that_zero_padding_after_the_voxels_is_allowed(tmp_path, load):
    path = write(tmp_path / "run.nii")
    path.write_bytes(path.read_bytes() + b"\0" * 4096)
    np.testing.assert_array_equal(load(path).image.data, voxels())


def test_that_the_unpacked_voxels_are_private_and_uncompressed(tmp_path, load, cache):
    loaded = load(write(tmp_path / "run.nii.gz"))
    assert loaded.voxel_file.parent == cache
    assert loaded.voxel_file.read_bytes() == body(voxels())
    assert stat.S_IMODE(loaded.voxel_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_that_values_outside_the_field_of_view_may_be_nan(tmp_path, load):
    """[N4] Masked, and said."""
    data = voxels("f4")
    data[0, :2, 3, :] = np.nan
    data[4, 4, 4, 7] = np.inf
    loaded = load(write(tmp_path / "run.nii", data))
    assert {f.code for f in loaded.findings} == {
        "scan.outside_not_finite",
        "scan.not_finite_masked",
    }
    expected = np.where(np.isfinite(data), data, 0)
    np.testing.assert_array_equal(loaded.image.data, expected)
    assert np.isnan(np.frombuffer((tmp_path / "run.nii").read_bytes()[352:], "f4")).sum() == 48


def test_that_a_lost_volume_is_named(tmp_path, load):
    data = voxels("i2")
    data[..., 5] = 0
    findings = load(write(tmp_path / "run.nii", data)).findings
    assert [f.code for f in findings] == ["scan.constant_volumes"]
    assert "5" in findings[0].message


def test_that_an_unknown_orientation_blocks_but_can_be_seen(tmp_path, load):
    loaded = load(write(tmp_path / "run.nii", sform_code=0, qform_code=0))
    assert [(f.code, f.severity) for f in loaded.findings] == [
        ("scan.orientation_unknown", Severity.BLOCKING)
    ]


def test_that_a_mirrored_qform_is_told_and_the_sform_used(tmp_path, load):
    """[N5, N7] sform against qform."""
    # qfac -1 with a half turn about z: x runs to the left, as in many Siemens conversions.
    path = write(
        tmp_path / "run.nii", qform_code=1, quatern=(0, 1, 0), pixdim=(-1, 3, 3.5, 4, 2, 0, 0, 0)
    )
    loaded = load(path)
    np.testing.assert_allclose(loaded.scan.affine, AFFINE)
    assert [(f.code, f.severity) for f in loaded.findings] == [
        ("scan.sform_qform_disagree", Severity.WARNING)
    ]
    assert "left and right" in loaded.findings[0].message


def test_that_slice_times_follow_the_slices_to_ras(tmp_path, load):
    times = [round(0.2 * k, 3) for k in range(9)]
    (tmp_path / "run.json").write_text(json.dumps({"SliceTiming": times}))
    assert load(write(tmp_path / "run.nii")).scan.slice_times_s == tuple(times)
    upside_down = AFFINE.copy()
    upside_down[2] = [0, 0, -4.0, 18.0]
    loaded = load(write(tmp_path / "run.nii", srow=upside_down[:3]))
    assert loaded.scan.slice_times_s == tuple(reversed(times))
    (tmp_path / "run.json").write_text(json.dumps({"SliceTiming": times[:5]}))
    loaded = load(write(tmp_path / "run.nii"))
    assert loaded.scan.slice_times_s == ()
    assert [f.code for f in loaded.findings] == ["scan.slice_timing_damaged"]


def test_that_a_cancel_takes_hold_and_leaves_nothing(tmp_path, cache):
    path = write(tmp_path / "run.nii.gz", voxels("f4", (40, 41, 42, 30)))
    for after in (1, 3, 12, 35):
        asked = itertools.count()
        progress = Progress(cancelled=lambda asked=asked, after=after: next(asked) >= after)
        with pytest.raises(CancelledError):
            read_nifti(path, cache_dir=cache, progress=progress)
        assert not list(cache.iterdir())


def test_that_the_header_panel_needs_no_voxels(tmp_path):
    path = write(tmp_path / "run.nii")
    path.write_bytes(path.read_bytes()[:352])
    facts = inspect_header(path)
    assert facts["shape"] == list(SHAPE)
    assert facts["storage_orientation"] == "RAS"
    assert facts["repetition_time_s"] == 2.0
    assert facts["faults"] == []
    three = write(tmp_path / "one.nii", voxels(shape=(7, 8, 9)))
    assert inspect_header(three)["faults"][0][0] == "scan.dimensions"


@pytest.mark.parametrize("case", sorted(p.name for p in REFERENCE.glob("*.ni*")))
def test_that_the_corpus_of_valid_odd_files_loads_with_its_exact_values(load, case):
    truth = json.loads((REFERENCE / "truth.json").read_text())[case]
    loaded = load(REFERENCE / case)
    image = loaded.image
    values = np.ascontiguousarray(image.data.astype("<f8") * image.slope + image.intercept)
    assert hashlib.sha256(values.tobytes()).hexdigest() == truth["values_sha256"]
    np.testing.assert_allclose(loaded.scan.affine, truth["affine"], atol=1e-4)
    assert loaded.scan.repetition_time_s == truth["repetition_time_s"]
    assert [finding.code for finding in loaded.findings] == truth["findings"]
