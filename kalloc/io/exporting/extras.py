"""The packages that some formats need and that kalloc does without otherwise."""

from __future__ import annotations

from importlib.util import find_spec

from kalloc.errors import OutputError


def needed(package: str, extra: str = "formats") -> None:
    """Raise an OutputError that says what to install where a package is missing."""
    if find_spec(package) is None:
        raise OutputError(f"this format needs the package {package!r}; install it: pip install 'kalloc[{extra}]'")
