"""The sentences of a project's story beside its reasons, in English and Korean; figures stand in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

ONE_GPU = re.compile(r"(?<![\d.,])1 GPUs\b")
"""One GPU in the words for several."""


class Language(StrEnum):
    """A language that stories are told in."""

    ENGLISH = "en"
    KOREAN = "ko"


PHRASES: Mapping[str, tuple[str, str]] = {
    "who": (
        "Project {project}, pool {pool}, merit {merit}.",
        "과제 {project} (소속 풀 {pool}, 평가 점수 {merit}점)",
    ),
    "asks_nothing": ("It asks for nothing.", "신청한 GPU가 없습니다."),
    "why": ("Why this much", "배정 사유"),
    "where": ("Where it sits", "배치 내역"),
    "changes": ("What would give it more", "추가 배정이 가능한 조건"),
    "span": (
        "{level}: {spans:,}, alone it would need {need:,}: {names}",
        "{level}: {spans:,}개(단독 배치 시 최소 {need:,}개): {names}",
    ),
    "others": ("{names} and {more:,} more", "{names} 외 {more:,}개"),
    "compact": (
        "It sits in as few domains of every level as it could even alone.",
        "모든 계층에서 단독으로 배치할 때와 같은 최소 개수의 구역에 배치하였습니다.",
    ),
    "scattered": (
        "At level {level} it spans {excess:,} more than it would need alone, at weight {weight:,} each.",
        "{level} 계층에서 단독 배치에 비하여 {excess:,}개 구역을 더 사용하며, 구역당 가중치는 {weight:,}입니다.",
    ),
    "better": (
        "The {level} with most room for it has {free:,} of the {needed:,} GPUs that it needs. It could sit whole in "
        "{domain} if others moved: its scattering falls by {gain:,}, that of others rises by {cost:,} ({whom}). The "
        "plan with it was solved and keeps every rule.",
        "여유가 가장 많은 {level}에서 확보할 수 있는 물량은 필요한 {needed:,}장 중 {free:,}장입니다. 다른 과제를 "
        "옮기면 {domain} 안에 전량 배치할 수 있으며, 이 경우 이 과제의 분산도는 {gain:,}점 낮아지고 다른 과제의 "
        "분산도는 {cost:,}점 높아집니다({whom}). 해당 배치는 모든 규칙을 충족함을 계산으로 확인하였습니다.",
    ),
    "roomiest": (
        "The {need:,} domains of level {level} with most room for it have {free:,} of the {needed:,} GPUs that it "
        "needs.",
        "여유가 가장 많은 {level} 계층의 {need:,}개 구역에서 확보할 수 있는 물량은 필요한 {needed:,}장 중 "
        "{free:,}장입니다.",
    ),
    "roomy": (
        "The {need:,} domains of level {level} with most room for it have {free:,} GPUs, and it needs {needed:,}: "
        "other levels, or the places of others, spoke for more of them, or no better place was found in time.",
        "여유가 가장 많은 {level} 계층의 {need:,}개 구역에는 {free:,}장이 있고 필요한 수량은 {needed:,}장입니다. "
        "다른 계층이나 다른 과제의 배치를 함께 고려하였거나, 제한 시간 안에 더 나은 배치를 찾지 못하였습니다.",
    ),
    "nobody": ("nobody", "해당 과제 없음"),
    "no_better": (
        "No place in one {level} was found by moving those who sit where most room is.",
        "여유가 가장 많은 구역의 과제를 옮기는 방법으로는 하나의 {level} 안에 배치할 수 없었습니다.",
    ),
    "better_time": (
        "The time was up before a place in one {level} was found, or ruled out; give more with --time-limit.",
        "제한 시간 안에 하나의 {level} 안에 배치할 수 있는지 확인하지 못하였습니다. --time-limit 값을 늘려 다시 "
        "확인하시기 바랍니다.",
    ),
    "block": (
        "Without it, the largest free block of {kind} at level {level} would be {gpus:,} GPUs larger.",
        "이 과제가 없다면 {level} 계층에서 가장 큰 {kind} 여유 구역은 {gpus:,}장 더 커집니다.",
    ),
    "then": (
        "  It then gets {gets:,} GPUs{least}. {losers}",
        "  이 경우 {gets:,}장이 배정됩니다{least}. {losers}",
    ),
    "least": ("; one step less does not do", "(한 단계 적으면 배정되지 않습니다)"),
    "losers": ("Others get {gpus:,} less: {names}.", "다른 과제의 배정량은 {gpus:,}장 줄어듭니다: {names}."),
    "no_losers": ("Nobody else gets less.", "다른 과제의 배정량은 줄지 않습니다."),
    "confirmed": (
        "Each was solved anew with all else unchanged; the merit of each allocation is proven best.",
        "각 조건은 나머지를 그대로 두고 다시 계산하여 확인하였으며, 각 배정의 평가 점수 합은 최적임이 증명되었습니다.",
    ),
    "served": ("It gets all that it asked for.", "요청 수량을 모두 배정하였습니다."),
    "no_change": (
        "No single change of those that were tried gives it more.",
        "검토한 조건 중 하나만 바꾸어서는 추가 배정이 가능하지 않습니다.",
    ),
    "time": (
        "The time was up before every change was tried; give more with --time-limit.",
        "제한 시간 안에 모든 조건을 검토하지 못하였습니다. --time-limit 값을 늘려 다시 확인하시기 바랍니다.",
    ),
    "not_best": (
        "This plan is not the best by merit: the best has {missing} more, and gives it {gets:,} GPUs. Changes are told "
        "from there.",
        "이 계획의 평가 점수 합은 최적보다 {missing}점 낮으며, 최적 배정에서 이 과제에 배정되는 수량은 {gets:,}장"
        "입니다. 아래 조건은 최적 배정을 기준으로 확인하였습니다.",
    ),
    "unproven": (
        "The best allocation is not proven as things are, so that no change can be confirmed.",
        "현재 조건의 최적 배정이 증명되지 않아, 조건 변경의 효과를 확인할 수 없습니다.",
    ),
    "tie": (
        "Another allocation of the same merit gives it {gets:,} GPUs: it is a tie.",
        "평가 점수 합이 같은 다른 배정에서는 이 과제에 {gets:,}장이 배정됩니다(동점).",
    ),
    "min": (
        "Be content with {now:,} {kind} instead of at least {was:,}.",
        "{kind} 최소 요청 수량을 {was:,}장에서 {now:,}장으로 낮춥니다.",
    ),
    "level": (
        "Let it sit in one {to} instead of one {level}.",
        "하나의 {level} 안에 배치하는 조건을 하나의 {to} 안에 배치하는 조건으로 완화합니다.",
    ),
    "no_level": (
        "Drop the condition that one {level} holds it whole.",
        "하나의 {level} 안에 전량 배치하는 조건을 적용하지 않습니다.",
    ),
    "mix": ("Let it mix the kinds that it asks for.", "신청한 여러 종류의 GPU를 함께 사용하도록 합니다."),
    "kind": (
        "Accept {least:,} to {most:,} {kind} as well.",
        "{kind} {least:,}장 이상 {most:,}장 이하도 신청 대상에 포함합니다.",
    ),
    "kind_just": ("Accept {least:,} {kind} as well.", "{kind} {least:,}장도 신청 대상에 포함합니다."),
    "cap": (
        "Raise the cap of pool {pool} on {what} by {gpus:,}, from {was:,} to {now:,}.",
        "{pool} 풀의 과제당 {what_ko} 상한을 {was:,}장에서 {now:,}장으로 {gpus:,}장 높입니다.",
    ),
    "quota": (
        "Raise the quota of pool {pool} on {what} by {gpus:,}, from {was:,} to {now:,}.",
        "{pool} 풀의 {what_ko} 할당량을 {was:,}장에서 {now:,}장으로 {gpus:,}장 늘립니다.",
    ),
    "borrow": (
        "Let pool {pool} borrow {gpus:,} more {what}, {now:,} instead of {was:,}.",
        "{pool} 풀의 {what_ko} 차용 한도를 {was:,}장에서 {now:,}장으로 {gpus:,}장 늘립니다.",
    ),
    "lend": (
        "Let pool {pool} lend {gpus:,} more {what}, {now:,} instead of {was:,}.",
        "{pool} 풀의 {what_ko} 대여 한도를 {was:,}장에서 {now:,}장으로 {gpus:,}장 늘립니다.",
    ),
    "nodes": (
        "Add {gpus:,} {kind} to the nodes of {owner} (nodes: {count:,}), and to the quotas above.",
        "{owner} 풀에 {kind} 노드 {count:,}대({gpus:,}장)를 증설하고 관련 할당량도 같은 수량만큼 늘립니다.",
    ),
    "merit": ("Have a merit of {now} or more; it has {was}.", "평가 점수를 {now}점 이상 받습니다(현재 {was}점)."),
    "limit": (
        "Raise limit {limit} by {more:,}, from {was:,} to {now:,}.",
        "‘{limit}’ 한도의 상한을 {was:,}장에서 {now:,}장으로 {more:,}장 높입니다(환산 물량 기준).",
    ),
    "floor": (
        "Drop the floor of {least:,} that limit {limit} promises others.",
        "‘{limit}’ 한도가 다른 과제에 보장하는 하한 {least:,}장을 적용하지 않습니다.",
    ),
    "budget": (
        "Raise budget {budget} by {more:,} won, from {was:,} to {now:,}.",
        "‘{budget}’ 예산을 {was:,}원에서 {now:,}원으로 {more:,}원 늘립니다.",
    ),
    "power": (
        "Raise power limit {power} by {more} kW, from {was} to {now}.",
        "‘{power}’ 전력 한도를 {was}kW에서 {now}kW로 {more}kW 높입니다.",
    ),
    "drop_segment": (
        "Drop the condition that each {level} holds whole segments of {amount:,} GPUs of it.",
        "{level} 안에 {amount:,}장 단위로 배치하는 조건을 적용하지 않습니다.",
    ),
    "drop_spread": (
        "Drop the condition that one {level} holds at most {amount:,} GPUs of it.",
        "{level}당 최대 {amount:,}장까지만 배치하는 조건을 적용하지 않습니다.",
    ),
    "drop_whole": (
        "Drop the condition that it uses nodes as a whole.",
        "노드 전체를 사용하는 조건을 적용하지 않습니다.",
    ),
    "drop_exclusive": (
        "Drop the condition that nobody else is in a {level} that it uses.",
        "{level}을 단독으로 사용하는 조건을 적용하지 않습니다.",
    ),
    "admit": (
        "Admit it although it applied on {applied}, outside the call.",
        "공모 기간 외 신청({applied})을 예외적으로 접수합니다.",
    ),
    "beside": (
        "Beside all others as they are in this plan it could get {gpus:,} {kind}, if all of this is done:",
        "다음 조치를 모두 취하면 다른 과제의 배정과 배치를 이 계획대로 유지하면서 {kind} {gpus:,}장을 배정할 수 "
        "있습니다:",
    ),
    "beside_free": (
        "Beside all others as they are in this plan it could get {gpus:,} {kind} as things are.",
        "다른 과제의 배정과 배치를 이 계획대로 유지하면서 현재 조건에서도 {kind} {gpus:,}장을 배정할 수 있습니다.",
    ),
    "beside_checked": (
        "Each of these plans was put together and keeps every rule as changed. If all were decided anew, others might "
        "get these GPUs, except where it says that this was solved.",
        "위 각 계획은 실제로 구성하여 변경된 규칙을 모두 충족함을 확인하였습니다. 다시 계산하였다고 밝힌 경우를 "
        "제외하면, 전체 배정을 새로 결정할 때에는 해당 물량이 다른 과제에 배정될 수 있습니다.",
    ),
    "beside_solved": (
        "  All decided anew with it, by the same tiers and proven best: it gets {gets:,} GPUs.",
        "  이 조건으로 같은 목표에 따라 전체를 다시 계산하였으며(최적임이 증명됨), 이 과제에 {gets:,}장이 배정됩니다.",
    ),
    "beside_others": (
        "  All decided anew with it, by the same tiers and proven best: it gets no more, others do.",
        "  이 조건으로 같은 목표에 따라 전체를 다시 계산하면(최적임이 증명됨), 이 과제에는 추가로 배정되지 않습니다.",
    ),
    "beside_open": (
        "  Not decided anew: that did not end within the time limit. Others might get these GPUs instead; give more "
        "time with --time-limit.",
        "  제한 시간 안에 전체를 다시 계산하지 못하여, 해당 물량이 다른 과제에 배정되는지는 확인하지 못하였습니다. "
        "--time-limit 값을 늘려 다시 확인하시기 바랍니다.",
    ),
    "turn_solved": (
        "  All decided anew with it, up to its turn in the ranking and proven best: it gets {gets:,} GPUs.",
        "  이 조건으로 이 과제의 순위까지 다시 계산하였으며(최적임이 증명됨), 이 과제에 {gets:,}장이 배정됩니다.",
    ),
    "turn_others": (
        "  All decided anew with it, up to its turn in the ranking and proven best: it gets no more. Those before it "
        "do: {names}.",
        "  이 조건으로 이 과제의 순위까지 다시 계산하면(최적임이 증명됨), 이 과제에는 추가로 배정되지 않고 순위가 앞선 "
        "과제의 배정량이 달라집니다: {names}.",
    ),
    "then_turn": (
        "  It then gets {gets:,} GPUs{least}, at the cost of those after it in the ranking.",
        "  이 경우 {gets:,}장이 배정되며{least}, 순위가 뒤인 과제의 배정량이 줄어들 수 있습니다.",
    ),
    "confirmed_turns": (
        "Each was solved anew with all else unchanged, up to its turn in the ranking: what it then gets is proven.",
        "각 조건은 나머지를 그대로 두고 이 과제의 순위까지 다시 계산하여 확인하였으며, 해당 배정은 최적임이 "
        "증명되었습니다.",
    ),
    "confirmed_tiers": (
        "Each was solved anew with all else unchanged; every tier up to merit, or every tier that the allocation "
        "decides, is proven best in each.",
        "각 조건은 나머지를 그대로 두고 다시 계산하여 확인하였으며, 각 배정은 평가 점수까지의 목표(평가 점수 목표가 "
        "없으면 배정을 결정하는 모든 목표)에서 최적임이 증명되었습니다.",
    ),
    "best_gives": (
        "The best allocation that was found gives it {gets:,} GPUs. Changes are told from there.",
        "최적 배정에서 이 과제에 배정되는 수량은 {gets:,}장입니다. 아래 조건은 최적 배정을 기준으로 확인하였습니다.",
    ),
    "must": (
        "Serve it in any case (mandatory): the merit of the plan falls by {cost}.",
        "이 과제를 반드시 배정하도록 지정합니다. 이 경우 계획의 평가 점수 합은 {cost}점 낮아집니다.",
    ),
}


def say(key: str, language: Language, **figures: object) -> str:
    """Return a sentence with its figures."""
    return ONE_GPU.sub("1 GPU", PHRASES[key][language is Language.KOREAN].format_map(figures))
