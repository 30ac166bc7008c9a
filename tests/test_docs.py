"""README.md and docs/: snippets run and print what is shown, commands are those of CI, reference pages are complete."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kalloc import Solution, Termination, load, solve
from kalloc.cli import app
from kalloc.explain import REASONS
from kalloc.instance import Instance, Kind, NodeGroup, Pool, Project, Request
from tests.docs import CELL, PAGES, ROOT, blocks, rewrite, run, stable

README = ROOT / "README.md"
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_snippets(page: Path, tmp_path: Path) -> None:
    """Every snippet of a page runs, in order, and prints what the page shows, but for times and memory."""
    for shown in run(page, tmp_path):
        assert stable(shown.printed) == stable(shown.block.text), f"{page.name}, line {shown.block.line}"


def test_snippets_are_found() -> None:
    """The tutorial has snippets that print, so that the test above tests something."""
    languages = [block.language for block in blocks(DOCS / "tutorial" / "first-plan.md")]
    assert languages.count(CELL) > 8
    assert languages.count("text") > 8


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a page that stands alone in a directory."""

    def make(text: str) -> Path:
        (tmp_path / "page.md").write_text(text, encoding="utf-8")
        return tmp_path / "page.md"

    return make


def test_wrong_output(page: Callable[[str], Path], tmp_path: Path) -> None:
    """A page that shows something else than its snippet prints is told apart, and put right by writing it anew."""
    (tmp_path / "scratch").mkdir()
    wrong = page("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    [shown] = run(wrong, tmp_path / "scratch")
    assert (stable(shown.printed), stable(shown.block.text)) == ("2", "3")
    rewrite(wrong)
    assert [block.text for block in blocks(wrong)] == ["print(1 + 1)\n", "2\n"]


def test_missing_output(page: Callable[[str], Path], tmp_path: Path) -> None:
    """A snippet that prints what its page does not show is refused."""
    (tmp_path / "scratch").mkdir()
    with pytest.raises(AssertionError, match=r"page.md, line 3: printed '2\\n'"):
        list(run(page("Two:\n\n```python\nprint(1 + 1)\n```\n"), tmp_path / "scratch"))


NOTEBOOK = "---\nfile_format: mystnb\n{}---\n\n```{{code-cell}} python\nprint(1 + 1)\n```\n{}"
REMOVED = "mystnb:\n  remove_code_outputs: true\n"


def test_cell_without_output(page: Callable[[str], Path], tmp_path: Path) -> None:
    """What a cell prints must be on the page if the site leaves it out."""
    (tmp_path / "scratch").mkdir()
    with pytest.raises(AssertionError, match=r"page.md, line 7: printed '2\\n'"):
        list(run(page(NOTEBOOK.format(REMOVED, "")), tmp_path / "scratch"))


@pytest.mark.parametrize(("front", "held"), [(REMOVED, ["2\n"]), ("", [])])
def test_cell_with_output(front: str, held: list[str], page: Callable[[str], Path], tmp_path: Path) -> None:
    """A cell is held to the output on its page if the site leaves its own out, and only then."""
    (tmp_path / "scratch").mkdir()
    found = run(page(NOTEBOOK.format(front, "\n```text\n3\n```\n")), tmp_path / "scratch")
    assert [shown.printed for shown in found] == held


def commands() -> list[str]:
    """Return the commands for a fresh machine that README.md gives."""
    return [block.text.strip() for block in blocks(README) if block.language == "sh"]


def test_ci_runs_what_the_readme_says() -> None:
    """`.ci/run` runs the very command that README.md gives to pass the tests, then ruff and mypy."""
    _, second = commands()
    script = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    assert second.endswith("python3 -m pytest")
    assert script.index(f"bash -c {shlex.quote(second)}") < script.index("ruff check .") < script.index("mypy")
    assert "set -euo pipefail" in script


@pytest.mark.long
def test_first_command(tmp_path: Path) -> None:
    """The first command of README.md plans the whole nation, once kalloc is installed."""
    install, _, plan = commands()[0].partition(" && ")
    assert install == "python3 -m pip install ."
    words = shlex.split(plan)
    assert words[:1] == ["python3"]
    (tmp_path / "instances").symlink_to(ROOT / "instances")
    done = subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "plan" / "summary.json").read_text(encoding="utf-8"))["verified"] is True


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Return the files that a page links to, each with an anchor or nothing."""
    for target in LINK.findall(re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            yield ((page.parent / name).resolve() if name else page), anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page: Path) -> None:
    """Every link within the repository leads somewhere."""
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


def test_index() -> None:
    """The table of contents leads to every page."""
    listed = {target for target, _ in links(DOCS / "index.md")}
    assert listed >= set(PAGES) - {README, DOCS / "index.md"}


def section(page: str, head: str) -> str:
    """Return what stands under a heading of a reference page."""
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    return text.partition(f"\n## {head}\n")[2].partition("\n## ")[0]


def listed(page: str, head: str) -> list[str]:
    """Return what the tables under a heading are about."""
    return [
        name
        for cell in re.findall(r"^\| (`.*?`) \|", section(page, head), re.M)
        for name in re.findall("`(.*?)`", cell)
    ]


def test_reasons() -> None:
    """The page of the plan lists every reason, in the order in which they apply."""
    assert listed("plan.md", "Reasons") == [reason.code for reason in REASONS]


def test_ends() -> None:
    """The page of the plan lists every way in which a solve can end, and what can be known of a plan."""
    assert listed("plan.md", "Termination and solution") == [*Termination, *Solution]


@pytest.mark.parametrize("order", ["abc", "cab"])
def test_ties(order: str) -> None:
    """As the page of the plan says: of projects that are alike, those that come first in projects.csv are served."""
    project = Project(project="a", pool="all")
    instance = Instance(
        name="ties",
        kinds=(Kind(kind="H200"),),
        pools=(Pool(pool="all"),),
        inventory=(NodeGroup(path=(), count=2, kind="H200", gpus=8, owner="all"),),
        projects=tuple(project.model_copy(update={"project": name}) for name in order),
        requests=tuple(Request(project=name, kind="H200", min=8, max=8) for name in "cba"),
    )
    served = [grant.project for grant in solve(instance).plan.grants if grant.gpus]
    assert sorted(served) == sorted(order[:2])


def keys(value: Any, prefix: str = "") -> Iterator[str]:
    """Return the keys of a summary as the page writes them."""
    if isinstance(value, dict) and prefix != "seconds":
        for name, below in value.items():
            level = "L" if prefix == "fragmentation.levels" else name
            yield from keys(below, f"{prefix}.{level}".lstrip("."))
    elif isinstance(value, list):
        yield from keys(value[0], f"{prefix}[]")
    else:
        yield prefix


def test_summary_keys() -> None:
    """The page of the plan lists every key of the summary, and no other."""
    summary = solve(load(ROOT / "instances" / "tiny" / "cap")).summary()
    assert sorted(listed("plan.md", "summary.json")) == sorted(set(keys(summary)))


COMMANDS = (
    *("solve", "check", "verify", "report", "schema", "import", "export", "generate"),
    *("explain", "compare", "frontier", "stress", "worth"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line(command: str) -> None:
    """The page of the command line lists the options of a command, with the defaults that `--help` tells."""
    page = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    [head] = re.findall(rf"^## (kalloc {command} .*)$", page, re.MULTILINE)
    rows = ROW.findall(section("command-line.md", head))
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    options = re.findall(r"^\W*(--[\w-]+)", told, re.MULTILINE)
    assert [*(name.split()[0] for name, _ in rows), "--help"] == options
    for name, rest in rows:
        [line] = [line for line in told.splitlines() if name.split()[0] in line]
        default = re.search(r"\[default: (.*?)\]", line)
        assert rest.partition("|")[0].strip() == (default[1] if default else ""), name


def test_every_command() -> None:
    """The page of the command line has a section for every command."""
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    page = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## kalloc (\w+)", page, re.M)) == sorted(re.findall(r"^[│|] ([a-z]+) ", told, re.M))
