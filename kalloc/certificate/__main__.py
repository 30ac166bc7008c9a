"""``python -m kalloc.certificate DIR [INSTANCE]``: check the certificate in the directory of a plan.

Exit status 0 where everything that is certified is proven, 1 where something is not, 2 where a file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kalloc.certificate.check import UNREADABLE, Certificate
from kalloc.errors import InstanceError
from kalloc.io import load, read_plan, read_summary, stray_tables

SOLVER = "a solver's word"


def main() -> int:
    """Check the certificate of a plan in whole numbers, without a solver."""
    arguments = argparse.ArgumentParser(prog="python -m kalloc.certificate", description=main.__doc__)
    arguments.add_argument("directory", metavar="DIR", type=Path, help="the directory of the plan")
    arguments.add_argument("instance", metavar="INSTANCE", nargs="?", help="the instance, where it has moved")
    given = arguments.parse_args()
    folder: Path = given.directory
    try:
        document = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
        instance = load(given.instance or folder / document["instance"]["path"])
        plan, summary = read_plan(folder), read_summary(folder)
        certificate = Certificate(instance, plan, summary, document)
        wrong = [*certificate.defects((folder / "plan.json").read_bytes())]
        wrong += [f"{name} does not say the same as plan.json" for name in stray_tables(plan, folder)]
        lines = [] if wrong else [*certificate.lines()]
    except (InstanceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except UNREADABLE as error:
        print(f"error: {folder / 'certificate.json'} is not as the reference says: {error!r}", file=sys.stderr)
        return 2
    for line in lines:
        word = SOLVER if line.part is None else f"{SOLVER}; {line.part:,} is certified"
        print(f"{line.name:<24}{line.bound:>20,}  {line.trouble or ('certified' if line.certified else word)}")
    counted = {"bounds": len(lines), "certified": sum(line.certified for line in lines)}
    if lines and summary["certified"] != counted:
        wrong.append(f"the summary counts {summary['certified']}, not {counted}")
    print("\n".join(f"wrong: {what}" for what in wrong) or "plan, score and hashes: right")
    if lines:
        print(f"certified: {counted['certified']} of {counted['bounds']} bounds")
    return int(bool(wrong) or any(line.trouble for line in lines))


if __name__ == "__main__":
    sys.exit(main())
