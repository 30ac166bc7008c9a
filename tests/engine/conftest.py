"""What several tests of the engine share."""

from __future__ import annotations

import pytest


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every instance to the engine of those too large for one exact model."""
    monkeypatch.setattr("kalloc.solving.flow.JOINT_VARIABLES", 0)


@pytest.fixture(params=["joint", "staged"])
def both_engines(request: pytest.FixtureRequest) -> None:
    """Solve by one model of both decisions, and by the engine of instances too large for it."""
    if request.param == "staged":
        request.getfixturevalue("staged")
