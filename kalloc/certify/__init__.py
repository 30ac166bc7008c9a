"""Writes the certificate of a plan: for every bound the facts that prove it, for `kalloc.certificate` to check."""

from kalloc.certify.certify import certify

__all__ = ["certify"]
