"""KAI: Queues as pools with quotas, a Topology as levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kalloc.instance import ALL_KINDS
from kalloc.io.importing.assembling import EVERYBODY, unused
from kalloc.io.importing.facts import Facts, Findings, Remark
from kalloc.io.importing.objects import Object, by_kind, listed_labels, whole
from kalloc.io.importing.options import ImportOptions

GROUP = "scheduling.run.ai"
TOPOLOGY = "kai.scheduler"
READ = ("parentQueue", "displayName", "resources")
UNLIMITED = -1


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return a pool for each Queue, with its quota of GPUs of any kind, and the labels of the Topology.

    A queue may use its quota and, up to its limit, what its siblings leave of theirs: what it may borrow is the
    limit less the quota, what it lends is the quota. Without a quota and a limit there is no row.
    """
    facts = Facts("kai")
    queues: list[Object] = []
    topologies: list[Object] = []
    by_kind(paths, {(GROUP, "Queue"): queues.append, (TOPOLOGY, "Topology"): topologies.append}, found)
    facts.label_levels = listed_labels(topologies, found)
    roots = [item for item in queues if not item.spec.get("parentQueue")]
    top = None
    if len(roots) > 1:
        top = unused(EVERYBODY, {item.original for item in queues})
        facts.add("pools", roots[0].where, pool=top)
        found.guessed(roots[0].where, f"a pool {top!r} is added above the {len(roots)} root queues, so that they lend")
    names = _names(queues)
    for item in queues:
        parent, title = item.spec.get("parentQueue"), item.spec.get("displayName")
        record = {"parent": names.get(str(parent), str(parent)) if parent else top}
        if title and title not in (item.name, item.original):
            record["title"] = str(title)
        facts.add("pools", item.where, pool=names[item.name], **record)
        for key in item.spec:
            if key not in READ:
                found.once(Remark.DROPPED, item.where, key, f"{key} is not read")
    total = sum(max(0, _amount(item, "quota") or 0) for item in roots)
    for item in queues:
        _quota(item, names[item.name], total, top is None and item in roots, facts, found)
    return facts


def _names(queues: Sequence[Object]) -> dict[str, str]:
    """Return the pool of each queue: its name before an export of kalloc, where no other queue has the same."""
    originals = Counter(item.original for item in queues)
    return {item.name: item.original if originals[item.original] == 1 else item.name for item in queues}


def _quota(item: Object, pool: str, total: int, alone: bool, facts: Facts, found: Findings) -> None:
    """Add the quota of a queue; one that is ``alone`` at the root has nobody to borrow of."""
    gpu = _gpu(item)
    for key in gpu:
        if key not in ("quota", "limit"):
            found.once(Remark.DROPPED, item.where, f"gpu {key}", f"resources.gpu.{key} is not read")
    quota, limit = (_amount(item, key) for key in ("quota", "limit"))
    for key, value in (("quota", quota), ("limit", limit)):
        if key in gpu and value is None:
            message = f"queue {item.name!r}: {key} is no whole number of GPUs: {str(gpu[key])[:40]!r}"
            found.ambiguous(item.where, f"{message}; it is left out")
    limit = None if limit is None or limit < 0 else limit
    quota = limit if quota is None or quota < 0 else quota
    if limit is None and (alone or not quota):
        what = f"queue {item.name!r}: its quota {quota} is no limit" if quota else "queues with neither quota nor limit"
        found.once(Remark.DROPPED, item.where, what, f"{what}: there is no row in quotas")
        return
    assert quota is not None
    borrow = max(0, (total if limit is None else limit) - quota)
    if alone and borrow:
        found.guessed(item.where, f"queue {item.name!r} has no sibling to borrow of: its limit {limit} is its quota")
        quota, borrow = quota + borrow, 0
    lend = 0 if alone else quota
    facts.add("quotas", item.where, pool=pool, kind=ALL_KINDS, gpus=quota, borrow=borrow, lend=lend)


def _gpu(item: Object) -> dict[str, Any]:
    resources = item.spec.get("resources")
    gpu = resources.get("gpu") if isinstance(resources, dict) else None
    return gpu if isinstance(gpu, dict) else {}


def _amount(item: Object, key: str) -> int | None:
    return whole(_gpu(item).get(key))
