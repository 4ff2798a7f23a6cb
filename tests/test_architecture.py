# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, read from the source: who imports whom, what stays out, and how long a file gets.

Every rule is a function from source text to a list of complaints, and is itself tested on a planted violation.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# package -> the sibling packages it may import. Nothing imports slimfab.
ARROWS = {
    "hwsim": set[str](),
    "hls": {"hwsim"},
    "quant": {"hwsim"},
    "prune": {"hwsim", "quant"},
    "boards": {"hwsim", "hls"},
    "slimfab": {"hwsim", "hls", "quant", "prune", "boards"},
}
HWSIM_MODULE_LEVEL = {"numpy", "numba", "yaml", "hwsim"} | set(sys.stdlib_module_names)
WITHOUT_TORCH_AT_IMPORT = {"hwsim", "hls", "boards"}
PYNQ_HOMES = ("boards/driver/", "boards/emulated/")  # what runs on a board, and what runs in pynq's environment
OPTIONAL = "onnxruntime"  # what the driver compares with where a board happens to have it, imported when asked for
MAX_LINES = 400

UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
UNSAFE_CALLS = {
    "yaml.load": "use yaml.safe_load",
    "yaml.unsafe_load": "use yaml.safe_load",
    "yaml.full_load": "use yaml.safe_load",
    "os.system": "use subprocess.run with a list",
    "os.popen": "use subprocess.run with a list",
    "eval": "parse it",
    "exec": "write the code down",
}
UNFINISHED = ("TODO", "FIXME", "XXX", "NotImplementedError")  # words that admit an unfinished place

Rule = Callable[[str, str], list[str]]  # (path relative to the root, source) -> complaints


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the dotted name of what is called ('' where that is no plain name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name | ast.Attribute)
            yield node, ast.unparse(node.func) if plain else ""


def imported(node: ast.AST) -> list[str]:
    """The absolute modules that one import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def all_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import, wherever it stands."""
    for node in ast.walk(tree):
        for name in imported(node):
            yield node.lineno, name.split(".")[0]  # type: ignore[attr-defined]


def import_time_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of the imports that run when the module is imported: neither those inside
    functions nor those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        for name in imported(node):
            yield node.lineno, name.split(".")[0]  # type: ignore[attr-defined]
        yield from import_time_imports(node)


def package_of(path: str) -> str:
    return path.split("/")[0]


def imports_follow_the_arrows(path: str, source: str) -> list[str]:
    package = package_of(path)
    allowed = ARROWS[package] | {package}
    return [
        f"{path}:{line}: {package} may not import {name}"
        for line, name in all_imports(ast.parse(source))
        if name in ARROWS and name not in allowed
    ]


def hwsim_loads_little(path: str, source: str) -> list[str]:
    if package_of(path) != "hwsim":
        return []
    return [
        f"{path}:{line}: hwsim imports {name} at module level; import it in the function that needs it"
        for line, name in import_time_imports(ast.parse(source))
        if name not in HWSIM_MODULE_LEVEL
    ]


def torch_is_imported_late(path: str, source: str) -> list[str]:
    if package_of(path) not in WITHOUT_TORCH_AT_IMPORT:
        return []
    return [
        f"{path}:{line}: torch at module level; import it in the function that needs it"
        for line, name in import_time_imports(ast.parse(source))
        if name == "torch"
    ]


def pynq_stays_on_the_board(path: str, source: str) -> list[str]:
    return [
        f"{path}:{line}: pynq is imported in {' and '.join(PYNQ_HOMES)} only"
        for line, name in all_imports(ast.parse(source))
        if name == "pynq" and not path.startswith(PYNQ_HOMES)
    ]


def the_board_needs_numpy_and_pynq_alone(path: str, source: str) -> list[str]:
    if not path.startswith(PYNQ_HOMES[0]):
        return []
    tree = ast.parse(source)
    early = set(import_time_imports(tree))
    return [
        f"{path}:{line}: the driver may not import {name}; a board has numpy and pynq"
        for line, name in all_imports(tree)
        if name not in {"numpy", "pynq", *sys.stdlib_module_names} and ((line, name) in early or name != OPTIONAL)
    ]


def files_stay_short(path: str, source: str) -> list[str]:
    lines = source.count("\n")
    return [f"{path}: {lines} lines; what is its second idea?"] if lines > MAX_LINES else []


def nothing_unsafe(path: str, source: str) -> list[str]:
    """No unpickling in any guise, no yaml that builds objects, no shell."""
    tree = ast.parse(source)
    found = [f"{path}:{line}: {name}" for line, name in all_imports(tree) if name in UNSAFE_MODULES]
    for node, name in calls(tree):
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if name in UNSAFE_CALLS:
            found.append(f"{path}:{node.lineno}: {name}; {UNSAFE_CALLS[name]}")
        if keywords.get("shell") is True:
            found.append(f"{path}:{node.lineno}: shell=True; give a list of arguments")
        if keywords.get("allow_pickle") is True:
            found.append(f"{path}:{node.lineno}: allow_pickle=True")
        if name == "torch.load" and keywords.get("weights_only") is not True:
            found.append(f"{path}:{node.lineno}: torch.load without weights_only=True")
    return found


def nothing_prints(path: str, source: str) -> list[str]:
    return [
        f"{path}:{node.lineno}: print; use logging, or the console in slimfab"
        for node, name in calls(ast.parse(source))
        if name == "print"
    ]


def nothing_unfinished(path: str, source: str) -> list[str]:
    return [
        f"{path}:{number}: {word}"
        for number, line in enumerate(source.splitlines(), 1)
        for word in UNFINISHED
        if word in line
    ]


def library() -> list[Path]:
    return sorted(file for package in ARROWS for file in (ROOT / package).rglob("*.py"))


def complaints(rule: Rule, files: list[Path]) -> list[str]:
    found = []
    for file in files:
        found += rule(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    return found


LIBRARY_RULES: list[Rule] = [
    imports_follow_the_arrows,
    hwsim_loads_little,
    torch_is_imported_late,
    pynq_stays_on_the_board,
    the_board_needs_numpy_and_pynq_alone,
    nothing_unsafe,
    nothing_prints,
    nothing_unfinished,
]


@pytest.mark.parametrize("rule", LIBRARY_RULES, ids=lambda rule: rule.__name__)
def test_the_library_keeps(rule: Rule) -> None:
    assert complaints(rule, library()) == []


def test_every_file_is_short() -> None:
    files = [*library(), *(ROOT / "tests").glob("*.py"), *ROOT.glob("h*/**/*.sv")]
    assert complaints(files_stay_short, files) == []


def test_the_walk_sees_all_six_packages() -> None:
    assert {package_of(file.relative_to(ROOT).as_posix()) for file in library()} == set(ARROWS)


def test_the_arrows_have_no_cycle() -> None:
    order = ["hwsim", "hls", "quant", "prune", "boards", "slimfab"]
    assert all(ARROWS[package] <= set(order[:rank]) for rank, package in enumerate(order))


VIOLATIONS: list[tuple[Rule, str, str]] = [
    (imports_follow_the_arrows, "hwsim/x.py", "def f():\n    import quant.train\n"),
    (imports_follow_the_arrows, "hls/x.py", "from quant import train\n"),
    (imports_follow_the_arrows, "prune/x.py", "if TYPE_CHECKING:\n    import hls\n"),
    (imports_follow_the_arrows, "boards/x.py", "import slimfab\n"),
    (hwsim_loads_little, "hwsim/x.py", "import onnx\n"),
    (hwsim_loads_little, "hwsim/a/x.py", "try:\n    from scipy import stats\nexcept ImportError: ...\n"),
    (torch_is_imported_late, "hls/x.py", "import torch.nn as nn\n"),
    (torch_is_imported_late, "boards/x.py", "class C:\n    from torch import nn\n"),
    (pynq_stays_on_the_board, "boards/remote.py", "def f():\n    from pynq import Overlay\n"),
    (the_board_needs_numpy_and_pynq_alone, "boards/driver/x.py", "from hwsim import serial\n"),
    (the_board_needs_numpy_and_pynq_alone, "boards/driver/x.py", "import onnxruntime\n"),
    (the_board_needs_numpy_and_pynq_alone, "boards/driver/x.py", "def f():\n    import torch\n"),
    (files_stay_short, "hls/x.py", "\n" * (MAX_LINES + 1)),
    (nothing_unsafe, "quant/x.py", "import pickle\n"),
    (nothing_unsafe, "quant/x.py", "torch.load(path)\n"),
    (nothing_unsafe, "quant/x.py", "torch.load(path, weights_only=False)\n"),
    (nothing_unsafe, "hwsim/x.py", "np.load(path, allow_pickle=True)\n"),
    (nothing_unsafe, "hwsim/x.py", "yaml.load(text)\n"),
    (nothing_unsafe, "hls/x.py", "subprocess.run('make', shell=True)\n"),
    (nothing_unsafe, "hls/x.py", "eval(text)\n"),
    (nothing_prints, "hls/x.py", "print('hello')\n"),
    (nothing_unfinished, "hls/x.py", "raise NotImplementedError\n"),
    (nothing_unfinished, "hls/x.py", "x = 1  # TODO\n"),
]

ALLOWED: list[tuple[Rule, str, str]] = [
    (imports_follow_the_arrows, "prune/x.py", "import prune.groups\nfrom quant import train\nfrom . import hls\n"),
    (hwsim_loads_little, "hwsim/x.py", "import json\nimport numpy as np\nfrom hwsim.ops import OPS\n"),
    (hwsim_loads_little, "hls/x.py", "import pydantic\n"),
    (torch_is_imported_late, "hwsim/x.py", "def f():\n    import torch\n"),
    (torch_is_imported_late, "hwsim/x.py", "if TYPE_CHECKING:\n    from torch import nn\n"),
    (torch_is_imported_late, "quant/x.py", "import torch\n"),
    (pynq_stays_on_the_board, "boards/driver/x.py", "import pynq\n"),
    (files_stay_short, "hls/x.py", "\n" * MAX_LINES),
    (nothing_unsafe, "quant/x.py", "torch.load(path, weights_only=True)\nyaml.safe_load(text)\nmodel.eval()\n"),
    (nothing_prints, "slimfab/x.py", "console.print('hello')\n"),
]


@pytest.mark.parametrize(("rule", "path", "source"), VIOLATIONS)
def test_a_planted_violation_is_found(rule: Rule, path: str, source: str) -> None:
    assert len(rule(path, source)) == 1


@pytest.mark.parametrize(("rule", "path", "source"), ALLOWED)
def test_what_is_allowed_passes(rule: Rule, path: str, source: str) -> None:
    assert rule(path, source) == []
