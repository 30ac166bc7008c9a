"""Why everybody gets this much and not more, in words that can be sent: by arithmetic on instance and plan alone."""

from kalloc.explain.books import Books
from kalloc.explain.cases import Case
from kalloc.explain.reasons import REASONS, Reason, Why
from kalloc.explain.said import check, explained, reasons

__all__ = ["REASONS", "Books", "Case", "Reason", "Why", "check", "explained", "reasons"]
