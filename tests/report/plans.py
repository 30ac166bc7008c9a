"""Instances with their plans for the report: one of the tiny ones, and one whose names would like to be markup."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import kalloc
from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request
from kalloc.plan import Result

INSTANCES = Path(__file__).parents[2] / "instances"
EVIL = "</script><script>document.title='owned'</script>"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"
LINK = "<a href='http://example.com/'>x</a>"
ODD = "a\u2028'\"\\"


@cache
def solved(name: str) -> tuple[Instance, Result]:
    """Return an instance of the folder with its plan."""
    instance = kalloc.load(INSTANCES / name)
    return instance, kalloc.solve(instance, threads=1)


@cache
def hostile() -> tuple[Instance, Result]:
    """Return an instance in which every name and text is markup or a template, with its plan."""
    levels = ("site", "{{ 7 * 7 }}")
    instance = Instance(
        name=EVIL,
        title=IMAGE,
        hierarchy=Hierarchy(levels=levels),
        kinds=(Kind(kind=LINK, source=EVIL),),
        pools=(
            Pool(pool="root"),
            Pool(pool=LINK, parent="root", title=EVIL),
            Pool(pool=EVIL, parent="root", title=LINK),
        ),
        inventory=(
            NodeGroup(path=(IMAGE, EVIL), count=3, kind=LINK, gpus=8, owner="root", source=IMAGE, note=EVIL),
            NodeGroup(path=(LINK, "&lt;b&gt;"), node=EVIL, kind=LINK, gpus=8, owner="root"),
        ),
        projects=(
            Project(project=EVIL, pool=LINK, title=IMAGE),
            Project(project=IMAGE, pool=EVIL, title=EVIL),
            Project(project=ODD, pool=EVIL),
        ),
        requests=(
            Request(project=EVIL, kind=LINK, min=16, max=16),
            Request(project=IMAGE, kind=LINK, min=8, max=8),
            Request(project=ODD, kind=LINK, min=8, max=8),
        ),
        placed=(Placed(project=LINK, node=f"{IMAGE}/{EVIL}/n1", gpus=4),),
    )
    return instance, kalloc.solve(instance, threads=1)
