"""Checks the certificate of a plan: instance, plan and certificate in, what is proven out.

It shares no code with the engine: it reads the instance, rebuilds the rules from its rows, takes the prices of the
certificate and does the sums, in whole numbers. ``python -m kalloc.certificate DIR`` runs it.
"""

from kalloc.certificate.check import Certificate, Line

__all__ = ["Certificate", "Line"]
