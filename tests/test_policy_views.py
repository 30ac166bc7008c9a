"""Views of the policy tables: who is counted together, and domains that only look alike."""

from __future__ import annotations

from fractions import Fraction

from kalloc.instance import Hierarchy, Limit, NodeGroup, Pool, Power, Project
from tests.models.small import make


def test_subjects_are_found_by_name_and_by_pool() -> None:
    """A limit counts whom `of` and `pool` admit, in the order of the projects, whatever index finds them."""
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="a")),
        projects=(
            Project(project="p", pool="b", applicant="x", region="south"),
            Project(project="q", pool="top", applicant="x"),
            Project(project="r", pool="a", applicant="y", region="south"),
            Project(project="s", pool="b", applicant="x"),
        ),
        limits=(
            Limit(limit="each", per="applicant", kind="*", most=1),
            Limit(limit="below", per="applicant", pool="a", kind="*", most=1),
            Limit(limit="one", per="applicant", of="x", pool="b", kind="*", most=1),
            Limit(limit="south", per="region", of="south", kind="*", most=1),
            Limit(limit="alone", per="project", pool="a", kind="*", most=1),
            Limit(limit="all", per="all", pool="b", kind="*", most=1),
        ),
    )
    assert [(one.limit.limit, one.name, "".join(one.projects)) for one in instance.policy.subjects] == [
        *(("each", "x", "pqs"), ("each", "y", "r"), ("below", "x", "ps"), ("below", "y", "r"), ("one", "x", "ps")),
        ("south", "south", "pr"),
        *(("alone", name, name) for name in "prs"),
        ("all", "", "ps"),
    ]


def test_domains_of_one_name_draw_apart() -> None:
    """Rack `b/c` of site `a` and rack `c` of site `a/b` join to one name, and each has the limit for itself."""
    instance = make(
        hierarchy=Hierarchy(levels=("site", "rack")),
        inventory=tuple(
            NodeGroup(path=path, node=name, kind="h", gpus=8, owner="top", idle_watts=400)
            for name, path in (("n", ("a", "b/c")), ("m", ("a/b", "c")))
        ),
        power=(Power(power="feed", level="rack", domain="a/b/c", kw=1.0),),
    )
    found = [(one.name, one.nodes, one.left) for one in instance.policy.power_domains]
    assert found == [("a/b/c", (node,), Fraction(600)) for node in (0, 1)]
