"""The site of docs/: it is built without a warning, and its pages are complete. Notebooks are run by test_docs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import kalloc
from kalloc import report
from tests.docs import PAGES, ROOT

NEEDED = ("sphinx", "myst_nb", "furo")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as README.md says, with every warning an error; the notebooks are shown, not run."""
    missing = [package for package in NEEDED if find_spec(package) is None]
    if missing:
        pytest.skip(f'needs {", ".join(missing)}: pip install "kalloc[docs]"')
    out = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "--keep-going", "-D", "nb_execution_mode=off", "-c", "docs", "-d", str(out / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, ".", str(out / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_pages(site: Path) -> None:
    """Every page of docs/ and README.md is in the site, and the first page leads to the contents."""
    for page in PAGES:
        assert (site / page.relative_to(ROOT).with_suffix(".html")).exists(), page
    assert "docs/index.html" in (site / "index.html").read_text(encoding="utf-8")


def test_contents(site: Path) -> None:
    """Beside every page stand the sections of index.md with their pages."""
    text = (site / "docs" / "reference" / "glossary.html").read_text(encoding="utf-8")
    for caption in ("Learn", "Do", "Look up", "Understand"):
        assert f'<span class="caption-text">{caption}</span>' in text


def test_public_names() -> None:
    """The page of the library has every public name of kalloc and of its report."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    named = set(re.findall(r"::\s+kalloc\.(\w+)$", page, re.MULTILINE))
    assert named - {"io", "report"} == set(kalloc.__all__)
    assert set(report.__all__) <= set(re.findall(r"\w+", page.partition("automodule:: kalloc.report")[2]))


def test_glossary() -> None:
    """Every word of the glossary has its Korean, in Hangul, and a meaning; none is there twice."""
    page = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\|.*\|$", page, re.MULTILINE)]
    words = [row for row in rows if row[0] != "English" and not row[0].startswith("---")]
    assert len(words) > 40
    assert all(len(row) == 3 and re.search("[가-힣]", row[1]) and row[2] for row in words)
    assert len({row[0] for row in words}) == len(words)
