"""The whole story of one project: what it gets and why, where it sits and why, and what would give it more."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.allocate.lexicographic import NoAnswerError
from kalloc.errors import NoPlanError
from kalloc.explain import reasons
from kalloc.explain.cases import score
from kalloc.slots import cost_rows
from kalloc.solver import Limits
from kalloc.whatif.beside import Beside, beside
from kalloc.whatif.changes import Change, changes_for
from kalloc.whatif.lever import Facts
from kalloc.whatif.part import has_policy
from kalloc.whatif.phrases import Language, say
from kalloc.whatif.places import better, held, roomiest
from kalloc.whatif.settle import merit_of, settle
from kalloc.whatif.turns import by_turns, changes_by_turns, enough, turn_of

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

NAMED = 3
"""Domains or projects named in a line; of more only the number is told."""


def story(
    instance: Instance, plan: Plan, project: str, language: Language, time_limit: float = math.inf
) -> Iterator[str]:
    """Yield the lines of a project's story, with titles before each part.

    The plan must keep the rules. Changes and the better place are found and confirmed by solves, in ``time_limit``
    seconds of which the place may use a third.
    """
    began = time.monotonic()
    row = instance.project_of[project]
    yield say("who", language, project=project, pool=row.pool, merit=score(row.merit))
    yield from ("", say("why", language))
    why = reasons(instance, plan)
    for request in instance.requests_of[project]:
        said = why[project, request.kind]
        yield f"  {said.code}: {said.sentence_ko if language is Language.KOREAN else said.sentence}"
    if not instance.requests_of[project]:
        yield "  " + say("asks_nothing", language)
        return
    gets = sum(grant.gpus for grant in plan.grants if grant.project == project)
    if gets:
        yield from ("", say("where", language))
        yield from ("  " + line for line in _place(instance, plan, project, language, Limits(began + time_limit / 3)))
    yield from ("", say("changes", language))
    if gets == instance.most_requested(project):
        yield "  " + say("served", language)
    else:
        yield from ("  " + line for line in _changes(instance, plan, project, language, Limits(began + time_limit)))


def _place(instance: Instance, plan: Plan, project: str, language: Language, limits: Limits) -> Iterator[str]:
    """Yield where it sits, why no closer together, and what that takes from others."""
    spots = held(instance, plan, project)
    for spot in spots:
        names = _named({name: f"{name} ({gpus:,})" for name, gpus in spot.gpus.items()}, language)
        yield say("span", language, level=spot.level, spans=len(spot.gpus), need=spot.need, names=names)
    scattered = [spot for spot in spots if len(spot.gpus) > spot.need and spot.weight]
    if not scattered:
        yield say("compact", language)
    for spot in scattered:
        excess = len(spot.gpus) - spot.need
        yield say("scattered", language, level=spot.level, excess=excess, weight=spot.weight)
    if scattered and scattered[0].need == 1:
        yield _better(instance, plan, project, scattered[0].level, language, limits)
    elif scattered:
        spot, needed = scattered[0], sum(scattered[0].gpus.values())
        free = roomiest(instance, plan, project, spot)
        key = "roomiest" if free < needed else "roomy"
        yield say(key, language, need=spot.need, level=spot.level, free=free, needed=needed)
    for row in cost_rows(instance, plan):
        if row["project"] == project:
            yield say("block", language, kind=row["kind"], level=row["level"], gpus=row["gpus"])


def _better(instance: Instance, plan: Plan, project: str, level: str, language: Language, limits: Limits) -> str:
    found = better(instance, plan, project, limits)
    if found is None:
        return say("better_time" if limits.over else "no_better", language, level=level)
    others = {name: cost for name, cost in found.costs.items() if name != project}
    dearest = sorted(others, key=lambda name: (-others[name], name))
    whom = _named({name: f"{name} {others[name]:+,}" for name in dearest}, language) or say("nobody", language)
    needed = sum(seat.gpus for seat in plan.seats if seat.project == project)
    figures = {"gain": -found.costs.get(project, 0), "cost": sum(others.values()), "whom": whom, "needed": needed}
    return say("better", language, level=level, free=found.free, domain=found.domain, **figures)


def _beside(ways: Sequence[Beside], plan: Plan, project: str, language: Language, limits: Limits) -> Iterator[str]:
    """Yield what has to give way so that the plan holds the project, too, and what a solve then makes of it."""
    has = sum(grant.gpus for grant in plan.grants if grant.project == project)
    for way in ways:
        yield say("beside" if way.needs else "beside_free", language, gpus=way.gpus, kind=way.kind)
        for code, facts in way.needs:
            yield "  " + say(code, language, **_figures(facts))
        yield _anew(way, project, has, language, limits)
    if ways:
        yield say("beside_checked", language)


def _anew(way: Beside, project: str, has: int, language: Language, limits: Limits) -> str:
    """Return what a project gets where all is decided anew, or that this was not found in time."""
    with suppress(NoPlanError, NoAnswerError):
        if by_turns(way.instance):
            turn = None if limits.over else turn_of(way.instance, project, _granted(way.plan), limits)
            if turn is not None and turn.gets > has:
                return say("turn_solved", language, gets=turn.gets)
            if turn is not None:
                names = {name: f"{name} {gpus:+,}" for name, gpus in turn.others.items()}
                return say("turn_others", language, names=_named(names, language))
        else:
            solved = None if limits.over else settle(way.instance, limits)
            if solved is not None and solved.proven:
                more = solved.gets(project) > has
                return say("beside_solved" if more else "beside_others", language, gets=solved.gets(project))
    return say("beside_open", language)


def _granted(plan: Plan) -> Mapping[tuple[str, str], int]:
    return {(grant.project, grant.kind): grant.gpus for grant in plan.grants if grant.gpus}


def _turns(instance: Instance, plan: Plan, project: str, language: Language, limits: Limits) -> Iterator[str]:
    """Yield the changes that would give a project more where it is served in its turn."""
    has = sum(grant.gpus for grant in plan.grants if grant.project == project)
    now, found = None, 0
    ways = list(beside(instance, plan, project, limits)) if has_policy(instance) else []
    with suppress(NoAnswerError):
        now = turn_of(instance, project, _granted(plan), limits)
    if now is not None and now.gets > has:
        yield say("best_gives", language, gets=now.gets)
    if now is not None and not now.gets and (change := enough(instance, project, now.granted, limits)) is not None:
        yield say("merit", language, was=score(instance.project_of[project].merit), now=score(change[0]))
        yield say("then_turn", language, gets=change[1], least="")
        found = 1
    yield from _beside(ways, plan, project, language, limits)
    for code, facts, gets, counted in () if now is None else changes_by_turns(instance, project, now, limits):
        yield say(code, language, **_figures(facts))
        yield say("then_turn", language, gets=gets, least=say("least", language) if counted else "")
        found += 1
    if found:
        yield say("confirmed_turns", language)
    if limits.over:
        yield say("time", language)
    elif now is None or not found:
        yield say("unproven" if now is None else "no_change", language)


def _changes(instance: Instance, plan: Plan, project: str, language: Language, limits: Limits) -> Iterator[str]:
    if by_turns(instance):
        yield from _turns(instance, plan, project, language, limits)
        return
    if has_policy(instance):
        yield from _beside(list(beside(instance, plan, project, limits)), plan, project, language, limits)
    try:
        changes = changes_for(instance, project, limits)
    except NoPlanError:
        yield say("time", language)
        return
    if not changes.proven:
        yield say("unproven", language)
        return
    granted = {(g.project, g.kind): g.gpus for g in plan.grants if g.project in changes.among}
    gets = sum(gpus for (name, _), gpus in granted.items() if name == project)
    missing = changes.merit - merit_of(instance, granted)
    first = instance.objective.names[0] == "merit"
    if not first and changes.gets > gets:
        yield say("best_gives", language, gets=changes.gets)
    elif first and missing:
        yield say("not_best", language, missing=score(missing), gets=changes.gets)
    elif changes.gets > gets:
        yield say("tie", language, gets=changes.gets)
    better_off = [change for change in changes.found if change.gets > gets]
    for change in better_off:
        yield from _change(change, language)
    if better_off:
        yield say("confirmed" if first else "confirmed_tiers", language)
    if not changes.complete:
        yield say("time", language)
    elif not better_off:
        yield say("no_change", language)


def _change(change: Change, language: Language) -> Iterator[str]:
    """Yield what to change, and who then gets what."""
    figures = _figures(change.facts)
    just = change.code == "kind" and figures["least"] == figures["most"]
    yield say("kind_just" if just else change.code, language, **figures)
    losers = say("no_losers", language)
    if change.lose:
        names = _named({name: f"{name} {gpus:,}" for name, gpus in change.lose.items()}, language)
        losers = say("losers", language, gpus=sum(change.lose.values()), names=names)
    least = say("least", language) if change.least and change.gpus is not None else ""
    yield say("then", language, gets=change.gets, least=least, losers=losers)


def _figures(facts: Facts) -> Mapping[str, object]:
    return {name: score(value) if isinstance(value, float | Fraction) else value for name, value in facts.items()}


def _named(names: Mapping[str, str], language: Language) -> str:
    """Return the first few of some names, and how many there are besides."""
    listed = ", ".join(list(names.values())[:NAMED])
    return listed if len(names) <= NAMED else say("others", language, names=listed, more=len(names) - NAMED)
