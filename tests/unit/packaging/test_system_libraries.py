from __future__ import annotations

import sys
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems need none of these"
)


@pytest.fixture
def libraries(setup: ModuleType) -> ModuleType:
    script: ModuleType = setup.load_script("system_libraries")
    return script


def test_that_a_missing_library_is_named_with_the_exact_command(
    libraries: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_loads", lambda name: name != "libxcb-cursor.so.0")
    monkeypatch.setattr(libraries.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(libraries, "_is_root", lambda: False)
    missing = libraries.missing_for_window()
    assert missing == {"libxcb-cursor.so.0": "libxcb-cursor0"}
    told = libraries.explain(missing)
    assert "sudo apt-get install --no-install-recommends -y libxcb-cursor0" in told


def test_that_the_loader_is_asked(libraries: ModuleType) -> None:
    assert libraries._missing_libraries({"libc.so.6": "libc6"}) == {}
    assert libraries._missing_libraries({"libnowhere.so.9": "nowhere"}) == {
        "libnowhere.so.9": "nowhere"
    }


def test_that_nobody_but_root_installs(
    libraries: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_is_root", lambda: False)
    monkeypatch.setattr(libraries.subprocess, "run", lambda *a, **k: pytest.fail("ran apt-get"))
    assert not libraries.install_as_root(["xvfb"])


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), ({"DISPLAY": ":1"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)],
)
def test_that_a_display_is_known_from_the_environment(
    libraries: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: bool,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert libraries.has_display() is expected
