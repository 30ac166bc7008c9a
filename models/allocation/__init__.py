"""Who gets how many GPUs of each kind: ``maths.md`` and its PuLP, label by label."""

from models.allocation.model import Model, build, pose, solve

__all__ = ["Model", "build", "pose", "solve"]
