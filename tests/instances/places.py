"""Where the committed instances are."""

from __future__ import annotations

from pathlib import Path

INSTANCES = Path(__file__).parents[2] / "instances"
TINY = sorted(path.parent for path in INSTANCES.glob("tiny/*/instance.toml"))
RECIPES = dict.fromkeys(("korea-2026-call1", "korea-2026-call1-policy", "korea-260k", "korea-260k-policy"), 0)
"""Instances that a recipe makes, with their seed."""
