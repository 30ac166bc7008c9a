"""``python -m kalloc.certificate DIR [INSTANCE]``: exit status 0 where all that is certified is proven, else 1; 2 where a file cannot be read."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kalloc.certificate.check import UNREADABLE, Certificate
from kalloc.errors import InstanceError
from kalloc.io import load, read_plan, read_summary, stray_tables


def main() -> int:
    """Check the certificate in a directory and print what it proves."""
    arguments = argparse.ArgumentParser(prog="python -m kalloc.certificate", description=main.__doc__)
    arguments.add_argument("directory", metavar="DIR", type=Path, help="the directory of a plan")
    arguments.add_argument("instance", metavar="INSTANCE", nargs="?", help="the instance, where it has moved")
    given = arguments.parse_args()
    try:
        document = json.loads((given.directory / "certificate.json").read_text(encoding="utf-8"))
        instance = load(given.instance or given.directory / document["instance"]["path"])
        plan, summary = read_plan(given.directory), read_summary(given.directory)
        certificate = Certificate(instance, plan, summary, document)
        plan_file = (given.directory / "plan.json").read_bytes()
        defects = [*certificate.defects(plan_file), *(f"{name} is not as plan.json" for name in stray_tables(plan, given.directory))]
        lines = [] if defects else list(certificate.lines())
    except (InstanceError, OSError, *UNREADABLE) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(f"{line.name:<24}{line.bound:>20,}  {'certified' if line.certified else line.trouble or 'only a solver says so'}")
    certified = sum(line.certified for line in lines)
    if lines and summary["certified"] != {"certified": certified, "bounds": len(lines)}:
        defects.append(f"the summary counts {summary['certified']}, but {certified} of {len(lines)} bounds are certified")
    for defect in defects:
        print(f"wrong: {defect}")
    if lines:
        print(f"certified: {certified} of {len(lines)} bounds")
    return int(bool(defects) or any(line.trouble for line in lines))


if __name__ == "__main__":
    sys.exit(main())
