"""A cache is only a shortcut: damaged or unwritable, the answer is the same."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.caches import cache_folder, cached_arrays

MADE = {"b": np.array([True, False]), "a": np.arange(12.0).reshape(3, 4)}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch):
    """Each test's cache lies in its own home."""
    monkeypatch.delenv("NEURORESPONDER_CACHE", raising=False)


def count_builds():
    """A build function and the list of its calls."""
    calls = []

    def build():
        calls.append(1)
        return MADE

    return build, calls


def test_that_arrays_are_built_once_and_read_back_equal(isolated_home):
    build, calls = count_builds()
    for _ in range(3):
        arrays = cached_arrays("thing", "key", build)
        assert list(arrays) == ["a", "b"]  # built or read: the same order
        for label, array in MADE.items():
            np.testing.assert_array_equal(arrays[label], array)
            assert arrays[label].dtype == array.dtype
            assert not arrays[label].flags.writeable
    assert len(calls) == 1
    assert cache_folder().is_relative_to(isolated_home)


def test_that_another_key_builds_anew():
    build, calls = count_builds()
    cached_arrays("thing", "key 1", build)
    cached_arrays("thing", "key 2", build)
    assert len(calls) == 2


def test_that_damage_is_noticed_and_repaired():
    build, calls = count_builds()
    cached_arrays("thing", "key", build)
    (kept,) = cache_folder("derived").glob("thing-*")
    content = bytearray((kept / "a.npy").read_bytes())
    content[-3] ^= 1
    (kept / "a.npy").write_bytes(content)
    np.testing.assert_array_equal(cached_arrays("thing", "key", build)["a"], MADE["a"])
    cached_arrays("thing", "key", build)
    assert len(calls) == 2
    assert not list(cache_folder("derived").glob(".making-*"))


def test_that_a_cache_that_cannot_be_written_is_no_fault(isolated_home):
    isolated_home.mkdir()
    (isolated_home / "cache").write_text("a file where the folder should be")
    build, calls = count_builds()
    np.testing.assert_array_equal(cached_arrays("thing", "key", build)["b"], MADE["b"])
    assert len(calls) == 1
