"""Exact check and score of any plan, from instance and plan alone; knows nothing of how plans are made."""

from kalloc.verify.claims import claims
from kalloc.verify.needs import Needs, need
from kalloc.verify.records import Records
from kalloc.verify.rules import RULES, verify
from kalloc.verify.score import LevelScore, Score, score
from kalloc.verify.tiers import TIER_VALUES, dues, scattered
from kalloc.verify.violation import Violation

__all__ = [
    "RULES",
    "TIER_VALUES",
    "LevelScore",
    "Needs",
    "Records",
    "Score",
    "Violation",
    "claims",
    "dues",
    "need",
    "scattered",
    "score",
    "verify",
]
