"""The house: which part may know which, how large things may grow, what runs on import, one name for one rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from kalloc.verify import RULES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kalloc"
FILES = sorted(PACKAGE.rglob("*.py"))
CODE = [*FILES, *sorted((ROOT / "models").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]

MAY_KNOW = {
    "errors": set[str](),
    "solver": set[str](),
    "plan": set[str](),
    "instance": {"errors"},
    "slots": {"instance", "plan"},
    "verify": {"instance", "plan", "slots"},
    "io": {"errors", "instance", "plan"},
    "generate": {"errors", "instance"},
    "explain": {"instance", "plan", "verify"},
    "bestfit": {"instance", "plan"},
    "report": {"bestfit", "errors", "instance", "plan", "slots", "verify"},
    "screen": {"instance", "plan"},
    "place": {"instance", "solver"},
    "allocate": {"instance", "place", "solver"},
    "clash": {"allocate", "errors", "solver"},
    "joint": {"allocate", "instance", "place", "solver", "verify"},
    "proof": {"allocate", "instance", "plan", "solver", "verify"},
    "naming": {"instance", "plan"},
    "solving": {
        *("allocate", "clash", "errors", "explain", "instance", "joint", "naming", "place", "plan", "proof", "slots"),
        *("solver", "verify"),
    },
    "whatif": {
        *("allocate", "errors", "explain", "instance", "joint", "naming", "place", "plan", "slots", "solver"),
        *("solving", "verify"),
    },
    "certificate": {"errors", "instance", "io", "plan", "verify"},
    "certify": {"certificate", "instance", "place", "plan", "solver", "verify"},
    "cli": {
        *("errors", "explain", "generate", "instance", "io", "plan", "report", "screen", "slots", "solving", "verify"),
        *("certify", "whatif"),
    },
    "__init__": {"errors", "instance", "io", "plan", "solving", "verify"},
    "__main__": {"cli"},
}
"""Which part of kalloc may import which: files → instance → allocation → placement → plan → check → files."""


@cache
def tree(path: Path) -> ast.Module:
    """Return a file parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


@cache
def modules() -> frozenset[str]:
    """Return the dotted names of all files of the package."""
    return frozenset(map(module, FILES))


def part(name: str) -> str:
    """Return the part of kalloc that a module belongs to."""
    return name.split(".")[1]


def imported(path: Path, typing: bool) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, with or without what it imports for type checkers only."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing:
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules()
            yield from inner or {node.module}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Yield every function and method of a file."""
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("path", FILES, ids=module)
def test_parts_know_only_what_they_may(path: Path) -> None:
    """Imports inside kalloc point one way, those for type checkers included; a new part needs a line in the table."""
    mine = part(module(path))
    known = {part(name) for name in imported(path, typing=True) if name.startswith("kalloc.")}
    assert known - {mine} <= MAY_KNOW[mine]


def test_parts_form_no_cycle() -> None:
    """The table itself can be sorted: no part knows one that knows it."""
    TopologicalSorter(MAY_KNOW).prepare()


def test_modules_form_no_cycle() -> None:
    """No module of kalloc imports one that imports it, in functions or on top; for type checkers it may."""
    TopologicalSorter({module(path): modules() & {*imported(path, typing=False)} for path in FILES}).prepare()


@pytest.mark.parametrize("package", ["ortools", "pulp", "highspy", "loky", "typer", "rich", "plotly", "jinja2"])
def test_one_door(package: str) -> None:
    """OR-Tools is used in solver/ alone, loky in place/, the command line's packages in cli/; PuLP, HiGHS nowhere."""
    doors = {"ortools": {"solver"}, "loky": {"place"}, "typer": {"cli"}, "rich": {"cli", "screen"}}
    doors |= {"plotly": {"report"}, "jinja2": {"report"}}
    used = {path: {name.split(".")[0] for name in imported(path, typing=True)} for path in FILES}
    users = {part(module(path)) for path, names in used.items() if package in names}
    assert users <= doors.get(package, set())


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """Modules have fewer than 400 lines, tests fewer than 700; functions 60 at most."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < (700 if path.is_relative_to(ROOT / "tests") else 400)
    for function in functions(path):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < 60, function.name


def test_most_functions_are_very_short() -> None:
    """Nine functions of ten in kalloc have 35 lines at most."""
    lengths = sorted((function.end_lineno or 0) - function.lineno + 1 for path in FILES for function in functions(path))
    assert lengths[len(lengths) * 9 // 10] <= 35


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_the_command_line_prints(path: Path) -> None:
    """No print, no exit, no logging set up outside cli/ and the certificate's; nothing swallows every exception."""
    if part(module(path)) == "cli" or module(path) == "kalloc.certificate.__main__":
        return
    called = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not called & {"print", "exit", "quit", "sys.exit", "logging.basicConfig"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and ast.unparse(node.type or ast.Constant("all")) in (
            "Exception",
            "'all'",
        ):
            assert not all(isinstance(statement, ast.Pass) for statement in node.body)


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


OF_FORMATS = {"pyarrow", "python_calamine", "xlsxwriter", "yaml"}
HEAVY = {*OF_FORMATS, "numpy", "pandas", "ortools", "networkx", "pulp", "pydantic", "rich", "typer"}


def test_import_loads_nothing_heavy() -> None:
    """`import kalloc` loads neither solvers nor tables nor the command line, and all its names are there."""
    assert not loaded_by("import kalloc") & HEAVY


def test_command_line_loads_no_solver_to_start() -> None:
    """What shows the help needs no solver, no tables and no arrays."""
    assert not loaded_by("import kalloc.cli") & (HEAVY - {"pydantic", "rich", "typer"})


def test_checker_loads_no_solver() -> None:
    """What checks a plan from its files loads neither the engine nor a solver."""
    code = "import kalloc.verify, kalloc.io, sys; sys.exit('kalloc.solver' in sys.modules or 'ortools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names() -> None:
    """At most 25 names are public, each can be had, and none else is promised."""
    import kalloc

    assert len(kalloc.__all__) <= 25
    assert all(getattr(kalloc, name) is not None for name in kalloc.__all__)
    with pytest.raises(AttributeError):
        _ = kalloc.solver_of_everything


def names_in(path: Path) -> set[str]:
    """Return the names of the functions of a file, and the rules that their docstrings say they build."""
    found = {function.name for function in functions(path)}
    for function in functions(path):
        for said in re.findall(r"[Rr]ules? ((?:`\w+`(?:, | and )?)+)", ast.get_docstring(function) or ""):
            found.update(re.findall(r"`(\w+)`", said))
    return found


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_one_rule_one_name_four_places(rule: str) -> None:
    """Reference model, engine, checker and the tests of each of them have a function of the rule's name."""
    engine = set().union(*(names_in(path) for path in (PACKAGE / "allocate").rglob("*.py")))
    models = set().union(*(names_in(path) for path in (ROOT / "models").rglob("*.py")))
    assert rule in engine and rule in models
    assert f"| `{rule}` |" in (ROOT / "docs/reference/rules.md").read_text(encoding="utf-8")
    for tests in ("tests/engine/test_rules*.py", "tests/models/test_rules*.py", "tests/test_verify*.py"):
        names = set().union(*map(names_in, ROOT.glob(tests)))
        assert any(re.match(rf"test_{rule}(_|$)", name) for name in names), tests


def test_nothing_says_where_it_was_written() -> None:
    """No file names a path of one machine."""
    suspicious = re.compile(r"(?<![\w.])/(?:work|tmp|home|root)/")
    pages = [*CODE, *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")]
    guilty = [path for path in pages if suspicious.search(path.read_text(encoding="utf-8"))]
    assert [path for path in guilty if path != Path(__file__)] == []
