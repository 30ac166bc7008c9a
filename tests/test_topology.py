"""The topology as users see it: names of nodes, domains by their paths, and the graph."""

from __future__ import annotations

import networkx as nx

from kalloc.instance import Hierarchy, Instance, NodeGroup
from tests.models.small import make


def row(*path: str, **more: object) -> NodeGroup:
    """Return nodes of 8 GPUs at a place."""
    return NodeGroup.model_validate({"path": path, "kind": "h", "gpus": 8, "owner": "top", **more})


def uneven() -> Instance:
    """Two units with a rack r1 each, a named node without a rack, and a node that is down."""
    inventory = (
        row("u1", "r1", count=2),
        row("u2", "r1", count=1),
        row("u2", "", node="spare"),
        row("u1", "r1", state="down"),
    )
    return make(hierarchy=Hierarchy(levels=("su", "rack")), inventory=inventory)


def test_unnamed_nodes_are_numbered_within_their_place() -> None:
    """A name is the path and a number that goes on over all rows of the place, down nodes included."""
    assert uneven().topology.names == ("u1/r1/n1", "u1/r1/n2", "u2/r1/n1", "spare", "u1/r1/n3")


def test_a_domain_is_its_whole_path() -> None:
    """Racks of the same name under two units are two domains, and nodes without a rack share one of no name."""
    assert uneven().topology.paths == ((("u1",), ("u2",)), (("u1", "r1"), ("u2", "r1"), ("u2", "")))


def test_graph_is_a_tree_with_what_nodes_have() -> None:
    """The graph is a tree from the root to the nodes, and nodes carry kind, GPUs, owner and state."""
    graph = uneven().topology.graph()
    assert nx.is_arborescence(graph)
    assert list(graph.predecessors("spare")) == [("u2", "")]
    assert graph.nodes["u1/r1/n3"] == {"level": "node", "kind": "h", "gpus": 8, "owner": "top", "state": "down"}
    assert [path for path, data in graph.nodes(data=True) if data["level"] == "su"] == [("u1",), ("u2",)]


def test_nodes_that_are_down_have_no_gpus() -> None:
    """The array of usable GPUs is 0 where a node is down."""
    assert uneven().topology.gpus.tolist() == [8, 8, 8, 8, 0]
