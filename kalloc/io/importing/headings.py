"""What planners call tables, columns and values, in English and in Korean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

APPLICATIONS = "applications"
"""A table whose rows are projects and requests at once."""

TABLES: Mapping[str, str] = {
    "inventory": "inventory nodes servers assets equipment 인벤토리 장비 서버 자산 장비목록 서버목록 자원현황",
    APPLICATIONS: "applications application requests_and_projects 신청 신청서 신청현황 신청목록 과제신청 수요 수요조사",
    "projects": "projects 과제 과제목록 프로젝트",
    "requests": "requests demand 요청 요청량 신청량",
    "pools": "pools organisations organizations programmes programs 풀 기관 기관목록 사업",
    "quotas": "quotas quota 쿼터 할당량 배정량 할당",
    "caps": "caps cap limits 상한 한도",
    "kinds": "kinds accelerators gpu_types 가속기 기종 GPU기종",
    "placed": "placed running usage 사용중 배치현황 사용현황",
}
"""Names of sheets and files by table."""

COMMON: Mapping[str, str] = {"source": "source 출처", "note": "note notes remark remarks 비고 메모"}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "inventory": {
        "node": "node nodename hostname host server servername 노드 노드명 서버 서버명 호스트 호스트명 장비명",
        "count": "count nodes nodecount quantity qty 대수 수량 노드수 서버수",
        "kind": "kind gpu gpukind gputype gpumodel accelerator 가속기 기종 GPU기종 GPU종류 GPU모델 GPU",
        "gpus": "gpus gpucount gpuspernode numberofgpus GPU수 GPU개수 GPU수량 노드당GPU 노드당GPU수 장수",
        "owner": "owner tenant pool 소유 소유자 소유기관 보유기관 풀",
        "state": "state status 상태 운영상태",
    },
    "projects": {
        "project": "project projectid projectname application 과제 과제명 과제번호 프로젝트 프로젝트명",
        "pool": "pool owner organisation organization programme program 풀 기관 기관명 신청기관 소속 소속기관 사업",
        "merit": "merit score 점수 평점 평가점수",
        "mandatory": "mandatory 필수 필수여부",
        "mix": "mix 혼용 기종혼용",
        "level": "level topologylevel 배치수준 배치단위",
        "title": "title description 제목 과제제목 설명",
    },
    "requests": {
        "project": "project projectid projectname application 과제 과제명 과제번호 프로젝트 프로젝트명",
        "kind": "kind gpu gpukind gputype gpumodel accelerator 가속기 기종 GPU기종 GPU종류 GPU모델",
        "min": "min minimum mingpus 최소 최소수량 최소GPU 최소GPU수",
        "max": "max maximum maxgpus gpus gpusrequested requested 최대 최대수량 최대GPU 최대GPU수 신청GPU 신청GPU수 "
        "신청수량 신청량 요청GPU 요청GPU수 요청수량 GPU수",
        "step": "step 단위 증가단위",
        "value": "value 가치",
    },
    "pools": {
        "pool": "pool organisation organization programme program name 풀 기관 기관명 사업 사업명",
        "parent": "parent 상위 상위풀 상위기관",
        "title": "title description 제목 설명 정식명칭",
    },
    "quotas": {
        "pool": "pool owner organisation organization programme program 풀 기관 기관명 사업 사업명",
        "kind": "kind gpu gpukind gputype gpumodel accelerator 가속기 기종 GPU기종 GPU종류 GPU모델",
        "gpus": "gpus quota GPU수 쿼터 할당량 배정량",
        "borrow": "borrow borrowinglimit 차용 차용한도",
        "lend": "lend lendinglimit 대여 대여한도",
    },
    "caps": {
        "pool": "pool owner organisation organization programme program 풀 기관 기관명 사업 사업명",
        "kind": "kind gpu gpukind gputype gpumodel accelerator 가속기 기종 GPU기종 GPU종류 GPU모델",
        "gpus": "gpus cap limit GPU수 상한 한도",
    },
    "kinds": {
        "kind": "kind gpu gpukind gputype gpumodel accelerator 가속기 기종 GPU기종 GPU종류 GPU모델",
        "performance": "performance 성능 상대성능",
        "memory_gb": "memorygb memory 메모리 메모리GB",
        "watts": "watts power 전력 소비전력",
    },
    "placed": {
        "project": "project job projectname 과제 과제명 프로젝트 작업",
        "node": "node nodename hostname host server 노드 노드명 서버 서버명",
        "gpus": "gpus gpucount GPU수",
        "movable": "movable 이동가능",
    },
}
"""Headings of columns by table."""

LEVELS: Mapping[str, str] = {
    "region": "region 지역 권역",
    "site": "site datacenter datacentre dc 사이트 센터 데이터센터 전산센터 거점",
    "zone": "zone 존 구역",
    "hall": "hall room 전산실 상면",
    "fabric": "fabric cluster 패브릭 클러스터",
    "pod": "pod 포드",
    "su": "su scalableunit unit 유닛",
    "row": "row 열",
    "rack": "rack 랙 랙번호 랙명",
}
"""Headings that are levels, coarse to fine."""

FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "1", "o", "예", "필수", "가능"), True),
    **dict.fromkeys(("false", "no", "n", "0", "x", "아니오", "아니요", "불가"), False),
}
STATES: Mapping[str, str] = {
    **dict.fromkeys(
        ("up", "active", "ok", "online", "running", "idle", "정상", "운영", "운영중", "가동", "사용"), "up"
    ),
    **dict.fromkeys(
        ("down", "offline", "maintenance", "failed", "drained", "broken", "고장", "장애", "점검", "점검중", "중지"),
        "down",
    ),
}


def plain(heading: str) -> str:
    """Return a heading without case, blanks, marks and what stands in parentheses."""
    return re.sub(r"[\W_]", "", re.sub(r"\([^)]*\)|\[[^]]*\]", "", heading)).lower()


def _lookup(names: Mapping[str, str]) -> dict[str, str]:
    return {plain(word): name for name, words in names.items() for word in (name, *words.split())}


def table_named(name: str) -> str | None:
    """Return the table that a sheet or file of this name holds."""
    return _lookup(TABLES).get(plain(name))


def headings(table: str) -> dict[str, str]:
    """Return the columns of a table by their headings, plain."""
    if table == APPLICATIONS:
        return _lookup(COMMON) | headings("requests") | headings("projects") | _lookup({"max": "gpus"})
    levels = _lookup(LEVELS) if table == "inventory" else {}
    return _lookup(COMMON) | levels | _lookup(COLUMNS[table])


def table_of(header: Sequence[str]) -> str | None:
    """Return the table that a header looks like: what has a node and a kind, or a project and an amount."""

    def has(table: str) -> set[str]:
        known = headings(table)
        return {known[plain(head)] for head in header if plain(head) in known}

    inventory, applications = has("inventory"), has(APPLICATIONS)
    if "project" in applications and applications & {"min", "max"}:
        return APPLICATIONS
    if inventory & {"node", "count"} and inventory & {"kind", "gpus", *LEVELS}:
        return "inventory"
    return None


def columns_of(table: str, header: Iterable[str], taken: Collection[int] = ()) -> dict[int, str]:
    """Return the column of each heading that is known, by position, but for positions that are taken.

    Of two headings with one meaning the one that is the name of the column counts, or else the first.
    """
    known = headings(table)
    found: dict[str, int] = {}
    for position, head in enumerate(header):
        column = known.get(plain(head))
        if column is not None and position not in taken and (column not in found or head == column):
            found[column] = position
    return {position: column for column, position in found.items()}
