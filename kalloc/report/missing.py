"""Packages that the report takes from an extra: imported when they are needed, missed with a clear word."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kalloc.errors import KallocError


def needs(module: str) -> Any:
    """Return a module of a package that ``kalloc[report]`` brings.

    Raises:
        KallocError: where it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise KallocError(f'the report needs {package}: pip install "kalloc[report]"') from None
