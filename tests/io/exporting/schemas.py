"""The published schemas of other systems' objects, which lie beside the repository, and what they say against one."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.io.importing.topologies import FOLDER, needed

__all__ = ["Object", "complaints", "needed", "objects"]

CRDS = {
    "Topology": "kueue/crd-topologies.yaml",
    "ResourceFlavor": "kueue/crd-resourceflavors.yaml",
    "ClusterQueue": "kueue/crd-clusterqueues.yaml",
    "Cohort": "kueue/crd-cohorts.yaml",
    "LocalQueue": "kueue/crd-localqueues.yaml",
    "HyperNode": "volcano/topology.volcano.sh_hypernodes.crd.yaml",
    "Queue": "kai/scheduling.run.ai_queues.crd.yaml",
    "kai.scheduler/v1alpha1 Topology": "kai/kai.scheduler_topologies.crd.yaml",
}
Object = dict[str, Any]


def objects(data: bytes) -> list[Any]:
    """Return the objects of a YAML file."""
    return list(yaml.load_all(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def complaints(item: Object) -> list[str]:
    """Return what the published schema of an object's kind says against it; fields that it does not know, too."""
    kinds = (f"{item['apiVersion']} {item['kind']}", item["kind"])
    file = next(CRDS[kind] for kind in kinds if kind in CRDS)
    validator = Draft202012Validator(_schema(file, item["apiVersion"].rpartition("/")[2]))
    return [
        f"{item['kind']} {item['metadata']['name']}: {error.json_path}: {error.message}"
        for error in validator.iter_errors(item)
    ]


@cache
def _schema(file: str, version: str) -> Object:
    [crd] = objects((FOLDER / file).read_bytes())
    [found] = [one for one in crd["spec"]["versions"] if one["name"] == version]
    schema: Object = _strict(found["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return schema


def _strict(schema: Any) -> Any:
    """Return a schema that takes no unknown fields, as an API server told to validate strictly does."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _strict(part) for key, part in schema.items()}
    if isinstance(inner.get("properties"), dict) and inner.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner
