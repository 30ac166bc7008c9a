"""Allocation and placement together: ``maths.md`` and its PuLP, label by label."""

from models.joint.model import Model, build, pose, solve
from models.outcome import Outcome, to_plan

__all__ = ["Model", "Outcome", "build", "pose", "solve", "to_plan"]
