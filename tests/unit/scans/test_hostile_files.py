"""Bad input at the door: one typed error each, bounded memory, nothing left behind."""

from __future__ import annotations

import gzip
import json
import os
import resource
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError
from app.scans import spool
from app.scans.nifti import read_nifti
from tests.unit.scans.nifti_files import AFFINE, SHAPE, body, header1, header2, voxels, write

ROOT = Path(__file__).parents[3]
GOOD = header1() + b"\0" * 4 + body(voxels())
VOLUME = 7 * 8 * 9 * 2


@pytest.fixture(scope="module", autouse=True)
def peak_before():
    """KiB that this process had used at most before these tests; others may run in it first."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "scan.empty"),
        (b"\x1f\x8b", "scan.truncated"),
        (b"hi", "scan.not_an_image"),
        (b"%PDF-1.7 " * 100, "scan.not_an_image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 600, "scan.not_an_image"),
        (b"\0" * 1000, "scan.not_an_image"),
        (gzip.compress(b"just a text " * 90, mtime=0), "scan.not_an_image"),
        (GOOD[:344] + b"\0\0\0\0" + GOOD[348:], "scan.analyze"),
        (GOOD[:344] + b"n+9\0" + GOOD[348:], "scan.not_an_image"),
        (GOOD[:344] + b"ni1\0" + GOOD[348:], "scan.pair_incomplete"),
    ],
)
def test_that_what_is_no_image_is_refused(tmp_path, refused, content, code):
    """[N8] Kinds that are no image."""
    path = tmp_path / "John_Smith.nii"
    path.write_bytes(content)
    error = refused(path)
    assert error.code in (code, "scan.empty")
    if code not in ("scan.truncated",):
        assert error.code == code


def test_that_folders_pipes_and_missing_files_are_refused(tmp_path, refused):
    """[N2, N8] A .gz that is not gzip, pipes, halves of pairs."""
    (tmp_path / "folder.nii").mkdir()
    assert refused(tmp_path / "folder.nii").code == "scan.not_an_image"
    assert refused(tmp_path / "absent.nii").code == "scan.missing"
    os.mkfifo(tmp_path / "pipe.nii")
    assert refused(tmp_path / "pipe.nii").code == "scan.not_an_image"
    (tmp_path / "alone.img").write_bytes(b"\0" * 100)
    assert refused(tmp_path / "alone.img").code == "scan.pair_incomplete"
    (tmp_path / "plain.nii.gz").write_bytes(GOOD)
    assert refused(tmp_path / "plain.nii.gz").code == "scan.not_gzip"


CUTS = [*range(1, 353, 13), *range(352, len(GOOD), 1777), len(GOOD) - 1]


@pytest.mark.parametrize("cut", CUTS)
def test_that_a_truncated_file_names_the_missing_volumes(tmp_path, refused, cut):
    """[N3] Cut in the header and in the body, plain."""
    path = tmp_path / "run.nii"
    path.write_bytes(GOOD[:cut])
    error = refused(path)
    assert error.code == ("scan.not_an_image" if cut < 4 else "scan.truncated")
    if cut >= 352:
        held = (cut - 352) // VOLUME
        assert f"claims {SHAPE[3]} volumes, holds {held}" in error.message


PACKED = gzip.compress(GOOD)


@pytest.mark.parametrize("cut", [*range(2, len(PACKED), len(PACKED) // 40), len(PACKED) - 1])
def test_that_a_truncated_gzip_file_is_refused_at_every_cut(tmp_path, refused, cut):
    """[N3] Cut anywhere, compressed."""
    path = tmp_path / "run.nii.gz"
    path.write_bytes(PACKED[:cut])
    error = refused(path)
    assert error.code in ("scan.truncated", "scan.empty")
    held = zlib.decompressobj(wbits=31).decompress(PACKED[:cut])
    if len(held) >= 352 and len(PACKED) - cut > 8:
        assert f"holds {(len(held) - 352) // VOLUME}" in error.message


def test_that_damaged_gzip_is_refused(tmp_path, refused):
    """[N2] Checksum, junk and further members."""
    path = tmp_path / "run.nii.gz"
    for position in (len(PACKED) // 2, len(PACKED) - 6, 40):
        broken = bytearray(PACKED)
        broken[position] ^= 0x41
        path.write_bytes(broken)
        assert refused(path).code in ("scan.damaged", "scan.truncated", "scan.not_an_image")
    path.write_bytes(PACKED + b"junk")
    assert refused(path).code == "scan.trailing_junk"
    path.write_bytes(PACKED + gzip.compress(b"more volumes", mtime=0))
    assert refused(path).code == "scan.trailing_junk"


def test_that_data_after_the_last_volume_is_refused(tmp_path, refused):
    """[N2] More bytes than the header claims."""
    path = tmp_path / "run.nii"
    path.write_bytes(GOOD + b"\0\0\1")
    assert refused(path).code == "scan.trailing_junk"
    path.write_bytes(GOOD + b"\0" * (spool.SURPLUS_BYTES + 1))
    assert refused(path).code == "scan.trailing_junk"
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(GOOD + b"\0" * (2 << 20)))
    assert refused(path.with_suffix(".nii.gz")).code == "scan.bomb"


NAN, INF = float("nan"), float("inf")
SINGULAR = [[3, 3, 0, 0], [3, 3, 0, 0], [0, 0, 4, 0]]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dim": (3, 7, 8, 9, 1, 1, 1, 1)}, "scan.dimensions"),
        ({"dim": (2, 7, 8, 1, 1, 1, 1, 1)}, "scan.dimensions"),
        ({"dim": (5, 7, 8, 9, 24, 3, 1, 1)}, "scan.dimensions"),
        ({"dim": (7, 7, 8, 9, 24, 1, 1, 2)}, "scan.dimensions"),
        ({"dim": (4, 7, 0, 9, 24, 1, 1, 1)}, "scan.dimensions"),
        ({"dim": (4, 7, -8, 9, 24, 1, 1, 1)}, "scan.dimensions"),
        ({"dim": (4, 7, 8, 2, 108, 1, 1, 1)}, "scan.dimensions"),
        ({"dim": (0, 7, 8, 9, 24, 1, 1, 1)}, "scan.header_damaged"),
        ({"dim": (8, 7, 8, 9, 24, 1, 1, 1)}, "scan.header_damaged"),
        ({"dim": (4, 7, 8, 9, 19, 1, 1, 1)}, "scan.too_few_volumes"),
        ({"dim": (4, 32767, 32767, 32767, 32767, 1, 1, 1)}, "scan.too_large"),
        ({"dim": (4, 512, 512, 512, 24, 1, 1, 1)}, "scan.truncated"),
        ({"datatype": 128, "bitpix": 24}, "scan.datatype"),
        ({"datatype": 32, "bitpix": 64}, "scan.datatype"),
        ({"datatype": 1, "bitpix": 1}, "scan.datatype"),
        ({"datatype": 999}, "scan.datatype"),
        ({"bitpix": 8}, "scan.header_damaged"),
        ({"intent": 3002}, "scan.cifti"),
        ({"vox_offset": 100}, "scan.header_damaged"),
        ({"vox_offset": -352}, "scan.header_damaged"),
        ({"vox_offset": NAN}, "scan.header_damaged"),
        ({"vox_offset": 1e30}, "scan.header_damaged"),
        ({"slope": INF}, "scan.scaling"),
        ({"slope": 2.0, "intercept": NAN}, "scan.scaling"),
        ({"slope": 1e38}, "scan.scaling"),
        ({"srow": np.zeros((3, 4))}, "scan.affine"),
        ({"srow": np.full((3, 4), NAN)}, "scan.affine"),
        ({"srow": np.full((3, 4), INF)}, "scan.affine"),
        ({"srow": SINGULAR}, "scan.affine"),
        ({"srow": AFFINE[:3] + np.array([[0, 0, 0, 1e9], [0] * 4, [0] * 4])}, "scan.affine"),
        ({"srow": AFFINE[:3] / 1000}, "scan.voxel_size"),
        ({"srow": AFFINE[:3] * 1000}, "scan.voxel_size"),
        ({"units": 1 | 8}, "scan.voxel_size"),
        ({"sform_code": 0, "qform_code": 1, "quatern": (NAN, 0, 0)}, "scan.affine"),
        ({"sform_code": 0, "qform_code": 1, "quatern": (1, 1, 0)}, "scan.affine"),
        ({"pixdim": (1, 0, 3.5, 4, 2, 0, 0, 0)}, "scan.voxel_size"),
        ({"pixdim": (1, -3, 3.5, 4, 2, 0, 0, 0)}, "scan.voxel_size"),
        ({"pixdim": (1, NAN, 3.5, 4, 2, 0, 0, 0)}, "scan.voxel_size"),
        ({"pixdim": (1, 3, 3.5, 4, 0, 0, 0, 0)}, "scan.tr_missing"),
        ({"pixdim": (1, 3, 3.5, 4, NAN, 0, 0, 0)}, "scan.tr_missing"),
        ({"pixdim": (1, 3, 3.5, 4, 2000, 0, 0, 0)}, "scan.tr_out_of_range"),
        ({"pixdim": (1, 3, 3.5, 4, -2, 0, 0, 0)}, "scan.tr_out_of_range"),
        ({"units": 2 | 16}, "scan.tr_out_of_range"),
        ({"units": 2 | 32}, "scan.tr_missing"),
    ],
)
@pytest.mark.parametrize("name", ["run.nii", "run.nii.gz"])
def test_that_a_bad_header_is_refused_by_kind(tmp_path, refused, name, fields, code):
    """[N1, N4, N5, N6, N8] One header field at a time."""
    fields = dict(fields)
    gap = b"\0" * 4
    content = header1(**fields) + gap + body(voxels())
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert refused(path).code == code


def test_that_milliseconds_called_seconds_get_a_hint(tmp_path, refused, load):
    """[N6] Milliseconds for seconds."""
    path = write(tmp_path / "run.nii", pixdim=(1, 3, 3.5, 4, 2000, 0, 0, 0))
    assert "2 s" in refused(path).hint
    loaded = load(path, stated_repetition_time_s=2.0)
    assert loaded.scan.repetition_time_source == "user"
    assert [f.code for f in loaded.findings] == ["scan.tr_disagrees"]
    assert refused(path, stated_repetition_time_s=2000.0).code == "scan.tr_out_of_range"


@pytest.mark.parametrize(
    ("sidecar", "header_s", "expected_s", "codes"),
    [
        (2.0, 2.0, 2.0, []),
        (2.0005, 2.0, 2.0005, []),
        (2.5, 2.0, 2.5, ["scan.tr_disagrees"]),
        (1.5, 0.0, 1.5, []),
        (None, 1.0, 1.0, ["scan.tr_placeholder"]),
        ("2.5", 2.0, 2.0, []),
        (2000, 2.0, None, "scan.tr_out_of_range"),
        (10**400, 2.0, None, "scan.tr_out_of_range"),
    ],
)
def test_that_the_sidecar_wins_and_every_difference_is_told(
    tmp_path, load, refused, sidecar, header_s, expected_s, codes
):
    """[N6] Header, sidecar and user against each other."""
    path = write(tmp_path / "run.nii", pixdim=(1, 3, 3.5, 4, header_s, 0, 0, 0))
    if sidecar is not None:
        (tmp_path / "run.json").write_text(json.dumps({"RepetitionTime": sidecar}))
    if expected_s is None:
        assert refused(path).code == codes
        return
    loaded = load(path)
    assert loaded.scan.repetition_time_s == expected_s
    assert [finding.code for finding in loaded.findings] == codes


def test_that_all_faults_are_told_at_once(tmp_path, refused):
    """[N5, N6] Collected, not one after another."""
    path = write(tmp_path / "run.nii", pixdim=(1, 0, 3.5, 4, 0, 0, 0, 0), bitpix=8)
    message = refused(path).message
    assert "contradicts itself" in message
    assert "voxel size" in message
    assert "repetition time" in message


def test_that_voxels_without_signal_are_refused(tmp_path, refused):
    """[N4] NaN, constant, empty, unchanging."""
    path = tmp_path / "run.nii"
    assert refused(write(path, np.zeros(SHAPE, "i2"))).code == "scan.constant"
    assert refused(write(path, np.full(SHAPE, 7, "i2"))).code == "scan.constant"
    still = np.repeat(voxels(shape=SHAPE[:3])[..., None], SHAPE[3], axis=3)
    assert refused(write(path, still)).code == "scan.no_variation"
    mostly = voxels()
    mostly[..., :15] = 0
    assert refused(write(path, mostly)).code == "scan.constant"
    for value in (np.nan, np.inf, -np.inf):
        bad = voxels("f4")
        bad[2, ..., ::2] = value
        assert refused(write(path, bad)).code == "scan.not_finite"
        assert refused(write(path, np.full(SHAPE, value, "f4"))).code == "scan.not_finite"


def test_that_a_full_disk_is_one_clear_error(tmp_path, refused, monkeypatch):
    path = write(tmp_path / "run.nii.gz")
    usage = type("Usage", (), {"free": 1000})
    with monkeypatch.context() as patch:
        patch.setattr(spool.shutil, "disk_usage", lambda _folder: usage)
        assert refused(path).code == "scan.cache_full"
    real = os.fdopen

    class Short:
        """A file that takes 1,000 bytes and then none."""

        def __init__(self, handle):
            self.handle, self.room = handle, 1000

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.handle.close()

        def write(self, data):
            taken = self.handle.write(data[: self.room])
            self.room -= taken
            return taken

    monkeypatch.setattr(spool.os, "fdopen", lambda *a, **k: Short(real(*a, **k)))
    assert refused(path).code == "scan.cache_full"


def test_that_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path):
    path = write(tmp_path / "run.nii")
    (tmp_path / "occupied").write_text("a file where the folder should be")
    with pytest.raises(AppError) as caught:
        read_nifti(path, cache_dir=tmp_path / "occupied")
    assert caught.value.code == "scan.cache_not_writable"


# ---------------------------------------------------------------------------- bounded memory

CHILD = """
import os, resource, signal, sys, time
import numpy, isal.isal_zlib
from pathlib import Path
from app.core.errors import AppError
from app.scans.nifti import read_nifti
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (EXTRA << 20), now + (EXTRA << 20)))
if FSIZE: resource.setrlimit(resource.RLIMIT_FSIZE, (FSIZE, FSIZE))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
try:
    read_nifti(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]))
    code = 'loaded'
except AppError as error:
    code = error.code
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(code, grown // 1024, time.perf_counter() - began, len(list(Path(sys.argv[2]).glob('*'))))
"""


def in_child(path: Path, cache: Path, extra_mib: int = 50, file_limit: int = 0):
    """Open in a child with `extra_mib` of address space: (code, MiB grown, seconds, files)."""
    script = (
        textwrap.dedent(CHILD).replace("EXTRA", str(extra_mib)).replace("FSIZE", str(file_limit), 1)
    )
    script = script.replace("(FSIZE, FSIZE)", f"({file_limit}, {file_limit})")
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(cache)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, grown, seconds, files = done.stdout.split()
    return code, int(grown), float(seconds), int(files)


def test_that_a_tiny_file_that_claims_gigabytes_takes_neither_memory_nor_time(tmp_path):
    """[N1, R1] In a child with a limited address space."""
    claim = header1(dim=(4, 512, 512, 512, 24, 1, 1, 1), datatype=16, bitpix=32)
    small = gzip.compress(claim + b"\0" * 4 + os.urandom(64))
    (tmp_path / "claim.nii.gz").write_bytes(small)
    terabytes = header2(dtype="f8", dim=(4, *[2**15] * 4, 1, 1, 1))
    (tmp_path / "tera.nii").write_bytes(terabytes + b"\0" * 4)
    for name, expected in (("claim.nii.gz", "scan.too_large"), ("tera.nii", "scan.too_large")):
        code, grown, seconds, files = in_child(tmp_path / name, tmp_path / "cache")
        assert (code, files) == (expected, 0)
        assert grown < 20
        assert seconds < 0.1
    claim = header1(dim=(4, 512, 512, 64, 24, 1, 1, 1), datatype=16, bitpix=32)
    (tmp_path / "claim.nii.gz").write_bytes(gzip.compress(claim + b"\0" * 4 + os.urandom(64)))
    code, grown, seconds, _ = in_child(tmp_path / "claim.nii.gz", tmp_path / "cache")
    assert (code, grown < 20, seconds < 0.1) == ("scan.truncated", True, True)


def test_that_a_gzip_bomb_is_stopped_with_bounded_memory(tmp_path):
    """[N2] 1,029 to 1 and more."""
    path = tmp_path / "bomb.nii.gz"
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as handle:
        handle.write(squeeze.compress(GOOD))
        for _ in range(500):
            handle.write(squeeze.compress(b"\0" * (1 << 20)))
        handle.write(squeeze.flush())
    assert path.stat().st_size < 1 << 20
    code, grown, seconds, files = in_child(path, tmp_path / "cache")
    assert (code, files) == ("scan.bomb", 0)
    assert grown < 30
    assert seconds < 0.5


def test_that_a_file_size_limit_ends_in_no_space(tmp_path):
    path = write(tmp_path / "run.nii.gz", voxels("f4", (20, 21, 22, 30)))
    code, _, _, files = in_child(path, tmp_path / "cache", file_limit=200_000)
    assert (code, files) == ("scan.cache_full", 0)


# ---------------------------------------------------------------------------- mutated headers


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=4),
    packed=st.booleans(),
)
def test_that_every_mutated_header_is_refused_or_sane(tmp_path, changes, packed):
    """[N1, N5] Any bytes of the header."""
    content = bytearray(GOOD)
    for position, value in changes:
        content[position] = value
    path = tmp_path / ("run.nii.gz" if packed else "run.nii")
    path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))
    cache = tmp_path / "cache"
    try:
        loaded = read_nifti(path, cache_dir=cache)
    except AppError as error:
        code = error.code
    else:
        code = ""
    if code:
        assert code.startswith("scan.")
        return
    scan, image = loaded.scan, loaded.image
    assert scan.shape == image.data.shape
    assert int(np.prod(scan.shape)) * image.data.dtype.itemsize <= len(GOOD)
    assert 0.2 <= scan.repetition_time_s <= 6.0
    assert all(0.3 <= size <= 20 for size in scan.voxel_size_mm)
    assert np.isfinite(scan.affine).all()
    assert abs(np.linalg.det(scan.affine)) > 1e-3
    values = np.asarray(image.data, float) * image.slope + image.intercept
    assert np.isfinite(values).all()
    assert values.min() < values.max()


def test_that_struct_sized_claims_never_overflow():
    raw = bytearray(header2())
    struct.pack_into("<q", raw, 24, 2**62)
    from app.scans.header import parse_header, structure_faults

    assert structure_faults(parse_header(bytes(raw)))[0].code == "scan.too_large"


def test_that_this_process_stayed_small(peak_before):
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before
    assert grown < 2 << 20  # KiB: 2 GiB
