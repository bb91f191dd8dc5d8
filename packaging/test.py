"""The whole test suite on a bare machine: environment, system libraries, virtual screen, pytest.

`python3 packaging/test.py [--torch-index URL] [pytest's arguments]`. The linters and mypy are
part of the suite (tests/test_architecture.py), so pytest's last line speaks for everything.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
SCREEN_START_LIMIT_S = 20


def main(arguments: list[str]) -> int:
    """Prepare the machine, then run pytest; its exit status is ours."""
    parser = argparse.ArgumentParser(
        description="Runs the test suite; every other argument goes to pytest."
    )
    parser.add_argument("--torch-index", default="", help="package index that torch comes from")
    options, for_pytest = parser.parse_known_args(arguments)
    started_s = time.monotonic()
    setup = _load_setup()
    try:
        _ensure_system(setup.load_script("system_libraries"))
        env = setup.environment(extras=["test"], torch_index=options.torch_index)
        setup.ensure(env)
    except setup.SetupError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Environment ready after {time.monotonic() - started_s:.0f} s.", flush=True)
    with virtual_screen() as display, virtual_screen() as other:
        # one for each process of xdist: two windows on one screen take the focus from each other
        screens = ",".join(one["DISPLAY"] for one in (display, other) if one)
        variables = {**os.environ, **display, "TEST_DISPLAYS": screens}
        command = [str(env.python), "-m", "pytest", *(for_pytest or whole_suite())]
        return subprocess.run(command, cwd=ROOT, env=variables).returncode


def whole_suite() -> list[str]:
    """pytest's arguments for everything: two processes where there are two cores.

    A file's tests stay in one process, since they share costly fixtures. Files come in the
    order of their names: whole jobs first, short unit tests last, so that both processes end
    together (xdist's own order puts the files with one long test last).
    """
    several = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return several if (os.cpu_count() or 1) > 1 else []


def _ensure_system(libraries: ModuleType) -> None:
    missing = libraries.missing_for_tests()
    if missing and libraries.install_as_root(missing.values()):
        missing = libraries.missing_for_tests()
    if missing:
        raise sys.modules[_SETUP_NAME].SetupError(libraries.explain(missing))


@contextlib.contextmanager
def virtual_screen() -> Iterator[dict[str, str]]:
    """An X server without a screen, on a free display number, ended whatever happens.

    Yields the environment variables that lead to it; none where the system needs none.
    """
    if not sys.platform.startswith("linux"):
        yield {}
        return
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1600x1200x24"]
    command += ["-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        command, pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as told:
            number = told.readline().strip()  # ends, empty, when the server ends
        if not number:
            raise SystemExit(f"Xvfb did not start (status {server.wait(SCREEN_START_LIMIT_S)}).")
        # A Wayland session or a forced platform would take the tests to the real screen.
        yield {
            "DISPLAY": f":{number}",
            "WAYLAND_DISPLAY": "",
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


_SETUP_NAME = "neuroresponder_setup_environment"


def _load_setup() -> ModuleType:
    path = ROOT / "packaging" / "setup_environment.py"
    spec = importlib.util.spec_from_file_location(_SETUP_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_SETUP_NAME] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
