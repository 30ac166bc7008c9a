"""A model as a file for other solvers: LP, or MPS, with an objective and how to read its value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kalloc.instance import Instance
from kalloc.io.atomic import publish_file
from models.asked import worth
from models.exact import multiplier
from models.program import Expression, Program


@dataclass(frozen=True)
class Posed:
    """A program with the objective of one tier."""

    program: Program
    objective: Expression
    maximise: bool
    means: str
    """What the value of the objective is."""

    def write(self, lp: Path | None, mps: Path | None) -> list[str]:
        """Write the files that are asked for, each as a whole or not at all; return what to say of them.

        Raises:
            OutputError: where a file cannot be written.
        """
        said = [f"{'maximise' if self.maximise else 'minimise'} {self.means}"]
        for path, form in ((lp, ".lp"), (mps, ".mps")):
            if path is not None:
                with TemporaryDirectory() as scratch:
                    draft = Path(scratch) / f"model{form}"
                    self.program.write(self.objective, self.maximise, draft)
                    publish_file(path, draft.read_bytes())
                said.append(f"written to {path}")
        if mps is not None and self.maximise:
            said.append("MPS has the negative of it, to be minimised: not all solvers read another direction there")
        return said


def merit_means(instance: Instance) -> str:
    """Return what the value of the objective of the tier ``merit`` is: its coefficients are whole numbers."""
    factor = multiplier(worth(instance).values())
    return "merit" if factor == 1 else f"merit times {factor}"
