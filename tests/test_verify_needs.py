"""need: the fewest domains that could hold a bundle, against every choice of domains tried out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import inf

import pytest

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Quota, Request
from kalloc.verify import Needs, need
from kalloc.verify.cover import fewest, fewest_together

KINDS = ("a", "b", "c")


def _instance(
    groups: Sequence[NodeGroup], placed: Sequence[Placed] = (), levels: tuple[str, ...] = ("su",)
) -> Instance:
    """Return an instance where pool `in` owns or may borrow from `out`, which lends kind `a` only."""
    return Instance(
        name="needs",
        hierarchy=Hierarchy(levels=levels),
        kinds=tuple(Kind(kind=kind) for kind in KINDS),
        pools=(Pool(pool="root"), Pool(pool="in", parent="root"), Pool(pool="out", parent="root")),
        quotas=(Quota(pool="in", kind="*", gpus=0, borrow=99), Quota(pool="out", kind="a", gpus=99, lend=1)),
        inventory=tuple(groups),
        projects=(Project(project="p", pool="in", mix="any"), Project(project="q", pool="root", mix="any")),
        requests=tuple(Request(project=name, kind=kind, min=0, max=999, step=1) for name in "pq" for kind in KINDS),
        placed=tuple(placed),
    )


def _group(path: str, kind: str = "a", gpus: int = 8, **more: object) -> NodeGroup:
    fields = {"path": tuple(path.split("/")), "kind": kind, "gpus": gpus, "owner": "root", **more}
    return NodeGroup.model_validate(fields)


def _choose(amounts: Sequence[int], offers: Sequence[Sequence[int]]) -> float:
    """Return the size of the smallest choice of domains that holds all amounts, by trying them all."""
    for count in range(len(offers) + 1):
        for choice in combinations(offers, count):
            if all(sum(offer[k] for offer in choice) >= amount for k, amount in enumerate(amounts)):
                return count
    return inf


def _literal(instance: Instance, bundle: dict[str, int], level: int) -> float:
    """Return need of `p` word for word: what each domain offers of each kind, and every choice of domains."""
    topology = instance.topology
    offers: dict[int, Counter[str]] = {}
    for node, name in enumerate(topology.names):
        row = topology.row(node)
        serves = row.owner in ("in", "root") or (row.owner == "out" and row.kind == "a")
        if row.state == "up" and serves:
            others = [at for at in instance.placed if at.node == name and at.project != "p"]
            taken = sum(at.gpus for at in others if at.project == "old" or not at.movable)
            offers.setdefault(int(topology.domain[level][node]), Counter())[row.kind] += row.gpus - taken
    kinds = sorted(bundle)
    return _choose([bundle[k] for k in kinds], [[offer[k] for k in kinds] for offer in offers.values()])


def _draw(rng: random.Random) -> Instance:
    """Return a small uneven tree: kinds, owners, sizes, states and what already runs at random."""
    groups, placed = [], []
    for index in range(rng.randint(4, 9)):
        path = "/".join((rng.choice(("s1", "s2")), rng.choice(("", "u1", "u2")), rng.choice(("", "r1"))))
        owner, state = rng.choice(("root", "root", "root", "in", "out")), rng.choice(("up", "up", "up", "up", "down"))
        gpus = rng.randint(1, 6)
        groups.append(_group(path, rng.choice(KINDS), gpus, owner=owner, state=state, node=f"n{index}"))
        for name in ("old", "p", "q"):
            may_stay = name == "old" or (state == "up" and owner == "root")
            if gpus >= 3 and rng.random() < 0.4:
                movable = not may_stay or rng.random() < 0.3
                placed.append(Placed(project=name, node=f"n{index}", gpus=rng.randint(1, gpus // 3), movable=movable))
    return _instance(groups, placed, ("site", "su", "rack"))


@pytest.mark.parametrize("seed", range(200))
def test_need_is_the_smallest_choice_of_domains(seed: int) -> None:
    """On small random nations need equals brute force at every level, and what cannot be held is refused."""
    rng = random.Random(seed)
    instance = _draw(rng)
    bundle = {kind: rng.randint(1, 4) for kind in rng.sample(KINDS, rng.randint(1, 3))}
    expected = [_literal(instance, bundle, level) for level in range(4)]
    if inf in expected:
        with pytest.raises(ValueError, match="'p' cannot hold"):
            need(instance, "p", bundle)
    else:
        assert list(need(instance, "p", bundle)) == expected


def test_random_nations_are_telling() -> None:
    """The draws above hold what they are for: bundles of several kinds that fit, and shared domains that matter."""
    fits = apart = 0
    for seed in range(200):
        rng = random.Random(seed)
        instance = _draw(rng)
        bundle = {kind: rng.randint(1, 4) for kind in rng.sample(KINDS, rng.randint(1, 3))}
        together = _literal(instance, bundle, 0)
        if together < inf and len(bundle) > 1:
            fits += 1
            apart += together < sum(_literal(instance, {kind: gpus}, 0) for kind, gpus in bundle.items())
    assert fits > 20
    assert apart > 10


@pytest.mark.parametrize("seed", range(150))
def test_shared_domains_against_every_choice(seed: int) -> None:
    """Amounts of several kinds over domains that offer one kind or several: the search is exact."""
    rng = random.Random(seed)
    kinds = rng.randint(1, 4)
    shared = [tuple(rng.choice((0, 1, 2, 3, 5, 8)) for _ in range(kinds)) for _ in range(rng.randint(0, 8))]
    alone = [Counter(rng.choice((1, 2, 4, 7)) for _ in range(rng.randint(0, 2))) for _ in range(kinds)]
    amounts = tuple(rng.randint(1, 16) for _ in range(kinds))
    units = [
        [gpus if k == kind else 0 for k in range(kinds)] for kind in range(kinds) for gpus in alone[kind].elements()
    ]
    assert fewest_together(amounts, alone, shared) == _choose(amounts, [*shared, *units])


def test_a_hundred_shared_domains() -> None:
    """Interlocked offers at some size: pairs that complete each other, so that greed by either kind is wrong."""
    shared = [(9, 1), (1, 9), (6, 6)] * 34
    assert fewest_together((60, 60), [Counter(), Counter()], shared) == 10
    assert fewest_together((240, 240), [Counter(), Counter()], shared) == 42
    assert fewest_together((204, 204), [Counter(), Counter()], shared) == 34
    assert fewest_together((545, 545), [Counter(), Counter()], shared) == inf


def test_fewest_takes_the_largest_first() -> None:
    """One kind is a matter of sorting, and what exceeds all offers cannot be held."""
    offers = {8: 2, 3: 4, 0: 9}
    assert [fewest(offers, amount) for amount in (0, 1, 8, 9, 16, 17, 28, 29)] == [0, 1, 1, 2, 2, 3, 6, inf]


def test_own_staying_gpus_are_no_obstacle_and_those_of_others_are() -> None:
    """A full unit is all on offer to the project that fills it, and nothing to another."""
    groups = [_group("u1", node="n1"), _group("u1", node="n2"), _group("u2", node="n3"), _group("u3", node="n4")]
    stays = [Placed(project="p", node=name, gpus=8) for name in ("n1", "n2")]
    instance = _instance(groups, stays)
    assert need(instance, "p", {"a": 16}) == (1, 2)
    assert need(instance, "q", {"a": 16}) == (2, 2)
    freed = instance.replace(placed=tuple(row.model_copy(update={"movable": True}) for row in stays))
    assert need(freed, "q", {"a": 16}) == (1, 2)


def test_a_domain_with_two_kinds_serves_both_at_once() -> None:
    """Where one unit offers both kinds the bundle needs one; where none does it needs the sum."""
    groups = [_group("u1", "a"), _group("u1", "b"), _group("u2", "a", count=4), _group("u3", "b", count=4)]
    instance = _instance(groups)
    assert need(instance, "p", {"a": 8, "b": 8}) == (1, 2)
    assert need(instance, "p", {"a": 16, "b": 8}) == (2, 3)
    assert need(instance, "p", {"a": 32, "b": 32}) == (2, 8)
    assert need(instance.replace(inventory=instance.inventory[2:]), "p", {"a": 8, "b": 8}) == (2, 2)


def test_empty_cells_form_one_domain_under_the_coarser_one() -> None:
    """Nodes of a unit without racks are one rack; the same empty name under another unit is another."""
    groups = [_group("u1/", count=3), _group("u2/", count=1), _group("u2/r1", count=1)]
    instance = _instance(groups, levels=("su", "rack"))
    assert need(instance, "p", {"a": 24}) == (1, 1, 3)
    assert need(instance, "p", {"a": 40}) == (2, 3, 5)


def test_what_is_kept_between_calls_changes_no_answer() -> None:
    """One Needs asked about many projects and bundles answers as fresh ones do."""
    rng = random.Random(1)
    for _ in range(20):
        instance = _draw(rng)
        kept = Needs(instance)
        for _ in range(6):
            project, bundle = rng.choice("pq"), {kind: rng.randint(0, 2) for kind in KINDS}
            assert _answer(kept, project, bundle) == _answer(Needs(instance), project, bundle)


def _answer(needs: Needs, project: str, bundle: dict[str, int]) -> tuple[int, ...] | str:
    try:
        return needs.of(project, bundle)
    except ValueError as error:
        return str(error)
