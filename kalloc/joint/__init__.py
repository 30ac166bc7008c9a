"""Allocation and placement in one exact model, for instances small enough: its bounds hold for every plan."""

from kalloc.joint.bundles import TooManyBundlesError
from kalloc.joint.clash import Demand, leave_out, seating_clash
from kalloc.joint.crowding import crowded
from kalloc.joint.solve import JointAnswer, joint_model, solve_joint

__all__ = [
    "Demand",
    "JointAnswer",
    "TooManyBundlesError",
    "crowded",
    "joint_model",
    "leave_out",
    "seating_clash",
    "solve_joint",
]
