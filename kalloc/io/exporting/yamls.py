"""YAML for Kubernetes and Slurm, written so that every reader of YAML takes every text for a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kalloc.io.exporting.extras import needed

if TYPE_CHECKING:
    import yaml

Object = dict[str, Any]

PLAIN = re.compile(r"[A-Za-z][\w./-]*[A-Za-z0-9]", re.ASCII)
"""Texts that need no quotes, unless they are words that YAML reads as something else. Readers differ on numbers
such as ``1e3`` and on ``y``, so whatever begins with a digit, or is one letter, has quotes."""


def documents(objects: Iterable[object]) -> bytes:
    """Return objects as one YAML document each: keys as they are ordered, no anchors."""
    needed("yaml")
    import yaml

    text = yaml.dump_all(objects, Dumper=_dumper(), sort_keys=False, allow_unicode=True, explicit_start=True, width=120)
    return str(text).encode()


def _dumper() -> type[yaml.SafeDumper]:
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper: type[yaml.SafeDumper] = type("Dumper", (base,), {"ignore_aliases": lambda *_: True})
    dumper.add_representer(str, _text)
    return dumper


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
