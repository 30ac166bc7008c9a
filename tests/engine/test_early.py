"""The plan to fall back on while tiers are being settled: a stop then ends the solve with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import event, given

import kalloc
from kalloc.allocate import tiers
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Instance, Objective, Tier
from kalloc.plan import Result
from kalloc.verify import claims, verify
from models.program import Status
from tests.engine.drawing import Size
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often
from tests.engine.test_policy_against_reference import bounds_enclose, reference_of
from tests.halls import halves

SEVERAL = Size(nodes=6, gpus=4, projects=5, levels=3)
SHARES = Tier(name="fairness", rule="maxmin", by="project")
MANY = ("maxmin", "ranked")


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set as soon as a tier of many values begins."""
    event = threading.Event()

    def stopping(real: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object) -> object:
            event.set()
            return real(*arguments)

        return wrapped

    for name in MANY:
        monkeypatch.setattr(tiers, name, stopping(getattr(tiers, name)))
    return event


def interrupted(instance: Instance, stop: threading.Event) -> Result:
    """Return the checked result of a solve that is stopped."""
    stop.clear()
    result = kalloc.solve(instance, time_limit=None, threads=1, stop=stop)
    assert verify(instance, result.plan) == []
    assert claims(instance, result.plan, result.summary()) == []
    return result


@pytest.mark.parametrize("many", [SHARES, Tier(name="ranked")], ids=["shares", "ranked"])
def test_a_stop_while_tiers_are_settled_has_a_plan(many: Tier, stop: threading.Event) -> None:
    """Everybody is seated, though shares or ranks were not looked at yet; of these nothing is said to be proven."""
    objective = Objective(tiers=(Tier(name="served"), many, Tier(name="utilisation", unit="gpus")))
    result = interrupted(halves().replace(objective=objective), stop)
    assert stop.is_set() and result.termination == "interrupted"
    assert result.gpus["allocated"] == result.gpus["requested"]
    assert [tier.bound for tier in result.tiers] == [16.0, None, None]


@pytest.mark.usefixtures("staged")
def test_its_bounds_hold(stop: threading.Event) -> None:
    """Whatever the rules and the order of tiers: where a stop leaves a plan, it keeps them, and its bounds hold."""
    check_often(60, stop)


@pytest.mark.long
@pytest.mark.usefixtures("staged")
def test_its_bounds_hold_on_thousands(stop: threading.Event) -> None:
    """As above, on a thousand instances."""
    check_often(1000, stop)


def check_often(examples: int, stop: threading.Event) -> None:
    """Stop the solves of so many drawn instances."""

    @given(instance=policies(SEVERAL, True))
    @often(examples)
    def each(instance: Instance) -> None:
        try:
            result = interrupted(instance, stop)
        except (InfeasibleError, NoPlanError) as error:
            event(type(error).__name__)
            return
        reference = reference_of(instance)
        event(f"{result.termination}")
        if reference is not None:
            assert reference.status is Status.OPTIMAL
            bounds_enclose(instance, result, reference)

    each()
