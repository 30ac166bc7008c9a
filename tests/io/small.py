"""A small sound instance as files, for tests to spoil."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from kalloc.errors import Defect, InstanceError
from kalloc.io import load

FILES: Mapping[str, str] = {
    "instance.toml": """\
format = 1
name = "small"
as_of = 2026-01-28

[topology]
levels = ["site", "rack"]
weights = { site = 10, rack = 2 }

[[cap]]
pool = "lab"
kind = "H200"
gpus = 32

[objective]
tiers = ["merit", "fragmentation"]
""",
    "kinds.csv": "kind,performance,source\nH200,1,vendor\nB200,2.25,vendor\n",
    "pools.csv": "pool,parent\nnation,\nlab,nation\nfirm,nation\n",
    "quotas.csv": "pool,kind,gpus,borrow,lend\nlab,H200,32,8,\nfirm,*,64,,8\n",
    "inventory.csv": "site,rack,node,count,kind,gpus,owner,state\na,r1,,4,H200,8,lab,\na,r2,,2,H200,8,lab,down\n"
    "b,r1,b1,,B200,8,firm,up\nb,,,2,B200,8,firm,\n",
    "projects.csv": "project,pool,merit,mandatory,mix,level\np,lab,2,true,one,rack\nq,firm,,FALSE,any,\n",
    "requests.csv": "project,kind,min,max,step,value\np,H200,8,16,,\nq,B200,1,12,1,3.5\nq,H200,8,8,,\n",
    "placed.csv": "project,node,gpus,movable\nold,a/r1/n2,4,false\nq,b1,1,false\n",
}


def write(directory: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the small instance with some files changed, or left out where the change is None."""
    directory.mkdir(exist_ok=True)
    for name, content in {**FILES, **(changes or {})}.items():
        if content is not None:
            (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def edited(name: str, old: str, new: str) -> dict[str, str | bytes | None]:
    """Return a change of one file: some text of it replaced."""
    assert old in FILES[name], f"{name} has no {old!r}"
    return {name: FILES[name].replace(old, new)}


def defects(path: Path) -> list[Defect]:
    """Return every defect that loading tells."""
    with pytest.raises(InstanceError) as caught:
        load(path)
    return list(caught.value.defects)


def only(path: Path) -> tuple[str, int | None, str | None, str]:
    """Return file, row, column and message of the one defect that loading tells."""
    found = defects(path)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0].file, found[0].row, found[0].column, found[0].message


def document(path: Path, text: str) -> Path:
    """Write a JSON document."""
    file = path / "small.json"
    file.write_text(text, encoding="utf-8")
    return file


def as_object(text: str) -> dict[str, object]:
    """Return the object that a JSON text holds."""
    found = json.loads(text)
    assert isinstance(found, dict)
    return found
