"""Allocation and placement together: ``maths.md`` and its PuLP, label by label."""

from models.joint.model import Model, build, pose, solve
from models.outcome import Outcome, TierValue, to_plan

__all__ = ["Model", "Outcome", "TierValue", "build", "pose", "solve", "to_plan"]
