"""A small plan with all that was said of it, for tests to write."""

from __future__ import annotations

from kalloc.plan import Grant, LevelResult, Plan, Result, Seat, Solution, Termination, TierResult


def result(name: str = "small", gpus: int = 8) -> Result:
    """Return a plan of one project on one node; the figures are made up."""
    plan = Plan(
        instance_name=name,
        instance_sha256="0" * 64,
        levels=("site", "rack"),
        grants=(
            Grant("p", "lab", "H200", gpus, 8, 16, "full", "All.", "전량 배정하였습니다."),
            Grant("서울, p", "lab", "H200", 0, 8, 8, "room", "None, sorry.", "없음"),
        ),
        seats=(Seat("p", "H200", ("a", ""), "n,1", gpus),),
    )
    return Result(
        plan=plan,
        termination=Termination.OPTIMAL,
        solution=Solution.FEASIBLE,
        tiers=(TierResult("merit", 8.0, 8.5, None), TierResult("fragmentation", 3, None, None)),
        levels={"site": LevelResult(1, 1, 1), "rack": LevelResult(1, 1, None), "node": LevelResult(1, 1, 1)},
        fragmentation=3,
        fragmentation_bound=None,
        instance={"name": name, "sha256": "0" * 64, "gpus": 8, "nodes": 1, "projects": 2},
        gpus={"available": 8, "requested": 24, "allocated": gpus},
        slots=({"level": "site", "kind": "H200", "gpus": 8, "before": 2, "after": 1},),
        blocks=({"level": "site", "kind": "H200", "before": 16, "after": 8},),
        block_costs=({"project": "p", "level": "site", "kind": "H200", "gpus": 8},),
        seconds={"load": 0.5, "total": 2.0},
        peak_memory_mib=7,
        curve=((0.25, 5, None), (1.5, 3, 2)),
    )
