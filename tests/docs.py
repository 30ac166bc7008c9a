"""The snippets of README.md and docs/: run page by page, in order. ``python -m tests.docs`` writes what they print.

A block of ``python`` prints what the block of ``text`` right after it shows. A block of ``console`` has commands after
``$`` and what they print on standard output. A block under a line that is nothing but a path is that file. Blocks of
``sh`` are for the reader: they install, or never end. A page with cells, blocks of ``{code-cell} python``, is a
notebook: they are run, and what they print is for the reader. Where the site is to leave that out
(``remove_code_outputs``), the page itself shows it, and cells are held to it as blocks of ``python`` are.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*|\{[\w-]+\}[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELL = "{code-cell} python"
REMOVED = re.compile(r"\A---\n.*?^  remove_code_outputs: true\n.*?^---$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"^`([\w./-]+)`\s*\Z", re.MULTILINE)
SHELL = f'kalloc() {{ "{sys.executable}" -m kalloc "$@"; }}\npython() {{ "{sys.executable}" "$@"; }}\n'
MASKS = (
    (re.compile(r"^seconds: .*$", re.MULTILINE), "seconds"),
    (re.compile(r"peak memory [\d,]+ MiB"), "peak memory"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    start: int
    """Where its text begins in the page."""
    line: int
    adjoins: bool
    """Whether nothing but white space stands between it and the block before."""
    path: str | None
    """The file that it is, if it is one."""


@dataclass(frozen=True)
class Shown:
    """What a page shows of a snippet's output, and what the snippet printed."""

    block: Block
    """The block that shows it."""
    printed: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        between = text[end : match.start()]
        path = PATH.search(between)
        adjoins = bool(found) and not between.strip()
        found.append(Block(match[1], match[2], match.start(2), line, adjoins, path and path[1]))
        end = match.end()
    return found


def run(page: Path, scratch: Path) -> Iterator[Shown]:
    """Run the snippets of a page in an empty directory, beside `instances`.

    Raises:
        AssertionError: when a snippet prints something that the page does not show, or the other way round.
    """
    (scratch / "instances").symlink_to(ROOT / "instances")
    names: dict[str, Any] = {"__name__": page.stem}
    shown = ("python", CELL) if REMOVED.match(page.read_text(encoding="utf-8")) else ("python",)
    for block, after in pairwise([*blocks(page), None]):
        assert block is not None
        if block.path is not None:
            (scratch / block.path).parent.mkdir(exist_ok=True)
            (scratch / block.path).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            yield Shown(block, _console(block.text, scratch))
        elif block.language in shown:
            printed = _python(page, block, names, scratch)
            shows = after is not None and after.language == "text" and after.adjoins
            where = f"{page.name}, line {block.line}"
            assert bool(printed) == shows, f"{where}: printed {printed!r}, and the page shows {shows}"
            if shows and after is not None:
                yield Shown(after, printed)
        elif block.language == CELL:
            _python(page, block, names, scratch)


def _python(page: Path, block: Block, names: dict[str, Any], scratch: Path) -> str:
    """Execute a snippet in the names of its page; its lines are those of the page in a traceback."""
    text = re.sub(r"^:.*$", "", block.text, flags=re.MULTILINE) if block.language == CELL else block.text
    code = compile("\n" * block.line + text, str(page), "exec")
    output = io.StringIO()
    with contextlib.chdir(scratch), contextlib.redirect_stdout(output):
        exec(code, names)
    return output.getvalue()


def _console(text: str, scratch: Path) -> str:
    """Run the commands of a block; return it as it would look with what they print now."""
    parts = []
    for line in text.splitlines():
        if line.startswith("$ "):
            command = ["bash", "-c", SHELL + line.removeprefix("$ ")]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, env=_environment(), check=False)
            parts.append(f"{line}\n{done.stdout}")
    return "".join(parts)


def _environment() -> dict[str, str]:
    """Return what commands run under: kalloc as it stands here, 80 columns, no colours."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    return {**os.environ, **settings}


def stable(text: str) -> str:
    """Return a text without what differs from run to run: times, memory, and blanks at the end of lines."""
    for mask, name in MASKS:
        text = mask.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def rewrite(page: Path) -> None:
    """Put what the snippets print now into a page; what is the same but for times stays as it is."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        for shown in reversed(list(run(page, Path(scratch)))):
            block = shown.block
            if stable(shown.printed) != stable(block.text):
                text = text[: block.start] + shown.printed + text[block.start + len(block.text) :]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]) if len(sys.argv) > 1 else PAGES:
        rewrite(name.resolve())
