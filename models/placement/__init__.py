"""Where a given allocation sits: ``maths.md`` and its PuLP, label by label."""

from models.placement.model import Model, build, pose, solve

__all__ = ["Model", "build", "pose", "solve"]
