"""What a terminal shows: a summary of at most 80 columns, and a table that lives while something is solved."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import kalloc
from kalloc.cli.live import LiveTable
from kalloc.plan import LevelResult, Progress, TierResult
from kalloc.screen import cut, result_lines

CAP = Path(__file__).parents[1] / "instances" / "tiny" / "cap"


def test_eighty_columns() -> None:
    """Long names in Korean, a nation's figures and hours of solving still fit 80 columns, and figures line up."""
    instance = kalloc.load(CAP)
    result = kalloc.solve(instance, threads=1)
    name = "전국 인공지능 연구개발 공동활용 지원사업단"
    pools = {row.pool: f"{name} {row.pool}" for row in instance.pools}
    renamed = instance.replace(
        name=name * 4,
        caps=(),
        quotas=(),
        pools=tuple(r.model_copy(update={"pool": pools[r.pool], "parent": None}) for r in instance.pools),
        projects=tuple(r.model_copy(update={"pool": pools[r.pool]}) for r in instance.projects),
        inventory=tuple(r.model_copy(update={"owner": pools[r.owner]}) for r in instance.inventory),
    )
    plan = replace(result.plan, grants=tuple(replace(g, pool=pools[g.pool], gpus=10**9) for g in result.plan.grants))
    large = replace(
        result,
        plan=plan,
        tiers=(TierResult("fragmentation", 123_456_789_012.25, 123_456_789_011.25, "allocation"),),
        levels={name: LevelResult(10**9, 10**9, 10**9)},
        seconds=dict.fromkeys(("load", "allocate", "place", "verify", "write", "total"), 12345.6),
        peak_memory_mib=10**6,
    )
    lines = list(result_lines(renamed, large))
    assert max(map(cell_len, lines)) <= 80
    assert len({cell_len(line) for line in lines[2:5]}) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [("short", "short"), ("a" * 31, "a" * 29 + "…"), ("가" * 16, "가" * 14 + "…")],
)
def test_cut(name: str, shown: str) -> None:
    """A name is cut to its column, where an East Asian character takes two cells."""
    assert cut(name) == shown


def test_live_table() -> None:
    """The table has a row for each stage with the last that is known of it, and the seconds that are left."""
    now = [100.0]
    table = LiveTable(60.0, lambda: now[0])
    for progress in (
        Progress("allocate", 0.5, 35_493_532.4, 35_493_532.4),
        Progress("place", 1.4, 46_126, None),
        Progress("place", 28.6, 3_869, 596),
        Progress("done", 29.0, 3_869, 596),
    ):
        table.tell(progress)
    now[0] = 130.4
    shown = io.StringIO()
    Console(file=shown, width=80).print(table.table())
    lines = [line.split() for line in shown.getvalue().splitlines() if line.strip()]
    assert lines[0] == ["stage", "incumbent", "bound", "gap", "known", "at"]
    assert lines[2:4] == [
        ["allocate", "35,493,532.40", "35,493,532.40", "0", "%", "0.5", "s"],
        ["place", "3,869", "596", "84.6", "%", "28.6", "s"],
    ]
    assert "time left 30 s" in shown.getvalue()


def on_terminal(*words: str) -> tuple[str, str]:
    """Solve with standard error on a terminal of its own; return what was printed there and on standard output."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kalloc", "solve", str(CAP), "--threads", "1", *words]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True, check=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass
    os.close(ours)
    return shown.decode(), done.stdout


def test_terminal() -> None:
    """On a terminal there is a table with the time left, which is wiped at the end; the summary goes elsewhere."""
    shown, printed = on_terminal()
    assert "time left" in shown and "incumbent" in shown
    assert shown.rstrip().endswith("nothing is written without --out")
    assert not re.search(r"^ +\d+\.\d s  allocate", shown, re.MULTILINE)
    assert "termination optimal" in printed and "\x1b" not in printed


def test_quiet_terminal() -> None:
    """Nothing is shown with `--quiet`."""
    assert on_terminal("--quiet") == ("", "")
