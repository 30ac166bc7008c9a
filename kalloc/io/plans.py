"""Plans in and out of directories: written as a whole, read with no trust in what is there."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from kalloc.errors import Defect, InstanceError
from kalloc.io.atomic import check_target, publish
from kalloc.io.dump import csv_text
from kalloc.io.files import UnreadableError, read_text
from kalloc.io.planfile import RUN_ONLY, Allocation, BlockCost, PlanFile, Slot, Summary
from kalloc.io.sentences import sentence
from kalloc.io.sources import parse_json, unique_keys
from kalloc.plan import Grant, Plan, Result, Seat

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PLAN_FILE = "plan.json"
SUMMARY_FILE = "summary.json"
SLOTS_FILE = "slots.csv"
BLOCKS_FILE = "blocks.csv"
CERTIFICATE_FILE = "certificate.json"
FILES = frozenset(
    {PLAN_FILE, SUMMARY_FILE, "allocations.csv", "placements.csv", SLOTS_FILE, BLOCKS_FILE, CERTIFICATE_FILE}
)

Rows = Iterable[Mapping[str, Any]]

ModelT = TypeVar("ModelT", bound=BaseModel)

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""Made once: there is a line for every grant and every seat."""


def check_writable(directory: Path) -> None:
    """Raise an OutputError where a plan could not be written: better before a long solve than after it."""
    check_target(directory, FILES, PLAN_FILE)


def write_result(result: Result, directory: Path) -> Result:
    """Write a plan as a directory, all or nothing.

    Returns:
        The result as summary.json tells it: with the seconds that the writing took, also in the total.
    """
    start = time.perf_counter()
    written = [result]

    def files() -> Iterator[tuple[str, bytes]]:
        texts = {**plan_texts(result.plan, result.summary()), **free_texts(result.slots, result.block_costs)}
        if result.certificate is not None:
            texts[CERTIFICATE_FILE] = _certificate(result.certificate, texts[PLAN_FILE])
        yield from ((name, text.encode()) for name, text in texts.items())
        took = time.perf_counter() - start
        seconds = {**result.seconds, "write": took, "total": result.seconds.get("total", 0.0) + took}
        written[0] = replace(result, seconds=seconds)
        yield SUMMARY_FILE, _pretty(written[0].summary()).encode()

    publish(directory, files(), FILES, PLAN_FILE)
    return written[0]


def plan_texts(plan: Plan, summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a plan but for its summary: the same text for the same plan."""
    allocations = [{name: getattr(row, name) for name in Allocation.model_fields} for row in plan.grants]
    placements = [_placement(plan.levels, seat) for seat in plan.seats]
    document = {
        "format": 1,
        "instance": {"name": plan.instance_name, "sha256": plan.instance_sha256},
        "levels": list(plan.levels),
        "allocations": allocations,
        "placements": placements,
        "summary": {key: value for key, value in summary.items() if key not in RUN_ONLY},
    }
    columns = ("project", "kind", *plan.levels, "node", "gpus")
    return {
        PLAN_FILE: _document(document),
        "allocations.csv": csv_text(tuple(Allocation.model_fields), (row.values() for row in allocations)),
        "placements.csv": csv_text(columns, (row.values() for row in placements)),
    }


def free_texts(slots: Rows, block_costs: Rows) -> dict[str, str]:
    """Return the tables of what a plan leaves free."""
    tables = ((SLOTS_FILE, Slot, slots), (BLOCKS_FILE, BlockCost, block_costs))
    return {
        name: csv_text(tuple(row.model_fields), (tuple(cells.values()) for cells in rows)) for name, row, rows in tables
    }


def _placement(levels: Sequence[str], seat: Seat) -> dict[str, object]:
    place = zip(levels, seat.path, strict=True)
    return {"project": seat.project, "kind": seat.kind, **dict(place), "node": seat.node, "gpus": seat.gpus}


def _document(document: Mapping[str, Any]) -> str:
    """Return a document with one line per row of a list of objects."""
    entries = []
    for key, value in document.items():
        if key in ("allocations", "placements"):
            rows = ",\n".join(f"  {_compact(row)}" for row in value)
            entries.append(f"{_compact(key)}: [\n{rows}\n]")
        else:
            entries.append(f"{_compact(key)}: {_compact(value)}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _certificate(certificate: Mapping[str, Any], plan_text: str) -> str:
    """Return a certificate with the hash of the plan's file, one line per list of numbers or names."""
    document = {**certificate, "plan": hashlib.sha256(plan_text.encode()).hexdigest()}
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\n *", " ", found[0]), text) + "\n"


def _compact(value: object) -> str:
    return ENCODER.encode(value)


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def read_plan(directory: Path) -> Plan:
    """Read plan.json of a directory, or that file itself.

    Raises:
        InstanceError: with every defect of the file; a plan that is read may still break every rule.
    """
    document = _read(directory, PLAN_FILE, PlanFile)
    levels = tuple(document.levels)
    defects = []
    for index, row in enumerate(document.placements, 1):
        extra = row.__pydantic_extra__
        if set(extra) != set(levels):
            message = f"must have the levels {', '.join(levels) or '(none)'}, not {', '.join(extra) or '(none)'}"
            defects.append(Defect(PLAN_FILE, index, "placements", message))
    if defects:
        raise InstanceError(defects)
    seats = (
        Seat(row.project, row.kind, tuple(row.__pydantic_extra__[level] for level in levels), row.node, row.gpus)
        for row in document.placements
    )
    return Plan(
        instance_name=document.instance.name,
        instance_sha256=document.instance.sha256,
        levels=levels,
        grants=tuple(Grant(**dict(row)) for row in document.allocations),
        seats=tuple(seats),
    )


def read_summary(directory: Path) -> dict[str, Any]:
    """Read summary.json of a plan's directory.

    Raises:
        InstanceError: with every defect of the file; what it says may still be untrue.
    """
    read = _read(directory, SUMMARY_FILE, Summary)
    return {"curve": [], **read.model_dump(exclude_unset=True)}


def instance_path(directory: Path) -> Path:
    """Return where the instance of a plan is, as certificate.json beside the plan tells.

    Raises:
        InstanceError: where that file tells no path, or nothing is there.
    """
    file = directory / CERTIFICATE_FILE
    try:
        document: Any = parse_json(read_text(file))
        path: Path = (directory / document["instance"]["path"]).resolve()
    except (OSError, UnreadableError, KeyError, TypeError):
        message = "does not tell where the instance of the plan is; name the instance before the directory of the plan"
        raise InstanceError([Defect(str(file), None, None, message)]) from None
    if not path.exists():
        message = f"tells of an instance at {path}, where nothing is; name it before the directory of the plan"
        raise InstanceError([Defect(str(file), None, "path", message)])
    return path


def stray_tables(plan: Plan, directory: Path) -> list[str]:
    """Return the tables beside plan.json that do not say the same as it does."""
    texts = plan_texts(plan, {})
    del texts[PLAN_FILE]
    return _stray(texts, directory)


def stray_free(slots: Rows, block_costs: Rows, directory: Path) -> list[str]:
    """Return the tables of what a plan leaves free that do not say what was counted anew."""
    return _stray(free_texts(slots, block_costs), directory)


def _stray(texts: Mapping[str, str], directory: Path) -> list[str]:
    found = []
    for name, text in texts.items():
        try:
            if read_text(directory / name) != text:
                found.append(name)
        except UnreadableError:
            found.append(name)
    return found


def _read(path: Path, name: str, model: type[ModelT]) -> ModelT:
    file = path / name if path.is_dir() else path
    try:
        return model.model_validate(parse_json(read_text(file), unique_keys), strict=True)
    except UnreadableError as error:
        raise InstanceError([Defect(str(file), None, None, str(error))]) from error
    except ValidationError as error:
        raise InstanceError([_defect(name, item) for item in error.errors(include_url=False)]) from None


def _defect(file: str, error: ErrorDetails) -> Defect:
    """Return where a value stands: the position in its list, and the keys that lead to it."""
    position = next((part + 1 for part in error["loc"] if isinstance(part, int)), None)
    keys = ".".join(str(part)[:60] for part in error["loc"] if not isinstance(part, int))
    return Defect(file, position, keys or None, sentence(error, ()))
