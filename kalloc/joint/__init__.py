"""Allocation and placement in one exact model, for instances small enough: its bounds hold for every plan."""

from kalloc.joint.bundles import TooManyBundlesError
from kalloc.joint.clash import seating_clash
from kalloc.joint.crowding import crowded
from kalloc.joint.solve import JointAnswer, joint_model, solve_joint

__all__ = ["JointAnswer", "TooManyBundlesError", "crowded", "joint_model", "seating_clash", "solve_joint"]
