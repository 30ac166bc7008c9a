"""Accelerators by the names that products, labels and device types give them."""

from __future__ import annotations

import re

from kalloc.io.importing.facts import Findings, Remark, Where

KINDS = (
    *("GB300", "GB200", "GH200", "B300", "B200", "B100", "H200", "H100", "H800", "H20"),
    *("A100", "A800", "A40", "A30", "A10G", "A10", "L40S", "L40", "L4", "V100", "P100", "P40", "P4", "T4"),
    *("MI355X", "MI325X", "MI300X", "MI250X", "MI250", "MI210", "MI100"),
    *("RTX PRO 6000", "RNGD", "Gaudi3", "Gaudi2"),
)
"""Names that kalloc writes."""

_NAMES = "|".join(re.escape(kind).replace(r"\ ", "[ _-]?") for kind in sorted(KINDS, key=len, reverse=True))
_KNOWN = re.compile(rf"(?:(?<![a-z0-9])|(?<=dgx)|(?<=hgx))({_NAMES})(?![a-z0-9])", re.IGNORECASE)
_BY_KEY = {re.sub(r"[ _-]", "", kind).lower(): kind for kind in KINDS}


def known_kind(text: str) -> str | None:
    """Return the kind that a text names, if it names one."""
    match = _KNOWN.search(text)
    return _BY_KEY[re.sub(r"[ _-]", "", match[1]).lower()] if match else None


def read_kind(text: str, where: Where, found: Findings) -> str | None:
    """Return the kind of a text that names one: a known name if it holds one, or else the text as it is."""
    text = text.strip()
    kind = known_kind(text) or text or None
    if kind is not None and kind != text:
        found.once(Remark.GUESSED, where, f"kind {text}", f"{text!r} is read as the kind {kind!r}")
    return kind
