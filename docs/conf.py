"""The site of docs/: ``python -m sphinx -W -c docs . build/site`` builds it. Its contents are those of index.md."""

import os
import re
import tempfile
from importlib import metadata
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
SCRATCH = tempfile.TemporaryDirectory()
(Path(SCRATCH.name) / "instances").symlink_to(ROOT / "instances")
os.environ |= {"NOTEBOOK_DIRECTORY": SCRATCH.name, "PLOTLY_RENDERER": "notebook"}
"""Notebooks begin in a directory beside `instances` where they may write; their figures need no network."""

project = "kalloc"
version = release = metadata.version("kalloc")
author = copyright = "the authors of kalloc"
root_doc = "docs/index"
include_patterns = ["README.md", "docs/**.md", "instances/**.md", "models/**.md"]
exclude_patterns = [".*", "**/.*", "build", "dist"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
autodoc_member_order = "bysource"
autodoc_typehints = "description"
suppress_warnings = ["toc.not_included"]
"""A test holds that index.md lists every page; NOTE.md of the instances are reached from their table."""

html_theme = "furo"
html_title = f"kalloc {release}"
html_extra_path = ["_site"]
html_show_sourcelink = False

SECTION = re.compile(r"^\*\*([^*\n]+)\*\*$(.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\]\(([^)#]+)\.md\)")


def setup(app: Sphinx) -> None:
    """Let the table of contents be that of index.md, and tables be shown as they are."""
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", add_contents)


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Give index.md a hidden tree of its own links, section by section."""
    if page == root_doc:
        trees = [
            f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(TARGET.findall(entries)) + "\n```\n"
            for caption, entries in SECTION.findall(source[0])
        ]
        source[0] = "\n".join([source[0], *trees])
