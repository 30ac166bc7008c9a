"""The report's page: what it says is what the plan is, in both languages, with every name escaped."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import kalloc
from kalloc.cli import app
from kalloc.errors import KallocError
from kalloc.explain import REASONS
from kalloc.io import write_result
from kalloc.report import render
from kalloc.report.missing import needs
from kalloc.report.words import LANGUAGES, Words, figure, percent
from tests.report.plans import EVIL, IMAGE, INSTANCES, ODD, hostile, solved


class Outline(HTMLParser):
    """The tags of a page, the text outside of scripts and styles, and the data blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data: dict[str, Any] = {}
        self._block: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag, and remember the block that begins."""
        found = dict(attrs)
        self.tags.append((tag, found))
        self._block = (found.get("id") or tag) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        """Forget the block that ends."""
        self._block = None

    def handle_data(self, data: str) -> None:
        """Keep text and data."""
        if self._block is None:
            self.text += data
        elif self._block in ("data", "figures"):
            self.data[self._block] = json.loads(data)


def page(name: str, lang: str = "en") -> Outline:
    """Return the report of an instance of the folder."""
    instance, result = solved(name)
    return Outline(render(instance, result.plan, result.summary(), lang=lang))


def test_headline() -> None:
    """The headline has the figures of the summary, and says what is proven."""
    text = page("korea-2026-call1").text
    assert "4,336" in text and "of 13,712 asked (31.6 %)" in text
    assert "no plan that keeps the rules has more" in text
    assert "no plan of the same merit scatters projects less" in text
    assert "Nobody is scattered" in text


def test_certificate() -> None:
    """The page says how many bounds the certificate proves, where there is one."""
    instance, result = solved("tiny/cap")
    summary = {**result.summary(), "certified": {"bounds": 4, "certified": 3}}
    assert "prove 3 of its 4 bounds" in Outline(render(instance, result.plan, summary)).text
    assert "certificate" not in page("tiny/cap").text


def test_korean() -> None:
    """The Korean page says it is Korean, and has no English sentence of the report's own."""
    found = page("korea-2026-call1", "ko")
    assert ("html", {"lang": "ko"}) in found.tags
    assert "규칙을 지키는 어떤 계획도 점수 합이 이보다 높을 수 없습니다" in found.text
    english = Words.of("en").table
    for section in ("flow", "scatter", "slots", "curve", "sources"):
        assert english[section]["about"] not in found.text


def test_a_table_behind_every_picture() -> None:
    """Every picture has a label and stands in a section with a table; every table has a caption and headed columns."""
    found = page("korea-2026-call1")
    pictures = [attrs for _, attrs in found.tags if attrs.get("role") == "img"]
    assert {attrs["id"] for attrs in pictures} == {f"picture-{name}" for name in ("flow", "scatter", "slots", "curve")}
    assert all(attrs["aria-label"] for attrs in pictures)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    ids = [attrs["id"] for _, attrs in found.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert all(attrs["href"] in {f"#{name}" for name in ids} for tag, attrs in found.tags if tag == "a")


def test_running() -> None:
    """What runs already is drawn as it lies today and as the plan has it, where there is any."""
    assert "picture-running" in [attrs.get("id") for _, attrs in page("tiny/staying-project").tags]
    assert "No project runs yet" in page("tiny/cap").text


def test_data_is_the_plan() -> None:
    """The map's data hold every seat of the plan at its node, background beside them, and every request."""
    instance, result = solved("tiny/background")
    data = page("tiny/background").data["data"]
    found: dict[tuple[str, str], int] = {}

    def walk(items: list[Any], path: tuple[str, ...]) -> None:
        for name, inside, *pairs in items:
            if isinstance(inside, list):
                walk(inside, (*path, name))
                continue
            node = name if isinstance(name, str) else "/".join((*path, f"n{name}"))
            for project, gpus in zip(pairs[::2], pairs[1::2], strict=True):
                found[data["projects"][project][0], node] = gpus

    walk(data["tree"], ())
    seats = {(seat.project, seat.node): seat.gpus for seat in result.plan.seats}
    taken = {(row.project, row.node): row.gpus for row in instance.placed if row.project not in instance.project_of}
    assert found == seats | taken
    assert [data["projects"][row[0]][0] for row in data["grants"]] == [row.project for row in instance.requests]
    assert [row[2] for row in data["grants"]] == [grant.gpus for grant in result.plan.grants]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_hostile_names(lang: str) -> None:
    """Markup in names stays text: the page has the same tags as without it, and its data are read back whole."""
    instance, result = hostile()
    written = render(instance, result.plan, result.summary(), lang=lang)
    found = Outline(written)
    assert [tag for tag, _ in found.tags].count("script") == 4
    assert not [tag for tag, _ in found.tags if tag in ("img", "iframe", "b")]
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    assert IMAGE in found.text and EVIL in found.text and "{{ 7 * 7 }}" in found.text
    assert {row[0] for row in found.data["data"]["projects"]} >= {EVIL, IMAGE, ODD}
    assert not re.search(r"<(?!/?[a-z!])", json.dumps(found.data["figures"]["flow"]["data"][0]["node"]["label"]))
    assert all("<" not in label for label in found.data["figures"]["flow"]["data"][0]["node"]["label"])


@pytest.mark.parametrize("name", ["tiny/cap", "tiny/part-taken-node", "tiny/staying-project", "tiny/mixed-kinds"])
def test_small(name: str) -> None:
    """Instances with one level or few, with and without quotas, have a page; twice the same bytes."""
    instance, result = solved(name)
    assert render(instance, result.plan, result.summary()) == render(instance, result.plan, result.summary())


def test_nothing_granted() -> None:
    """A plan that gives nothing to anybody, of an instance without levels or projects, has a page."""
    instance, _ = solved("tiny/cap")
    bare = kalloc.Instance(
        name="bare",
        kinds=instance.kinds,
        pools=instance.pools,
        inventory=tuple(row.model_copy(update={"path": ()}) for row in instance.inventory),
    )
    result = kalloc.solve(bare, threads=1)
    assert "of 0 asked (–)" in Outline(render(bare, result.plan, result.summary())).text


def test_no_nodes() -> None:
    """An instance of which only the pools are known has a page."""
    bare = kalloc.Instance(name="bare", pools=(kalloc.instance.Pool(pool="all"),))
    result = kalloc.solve(bare, threads=1)
    assert "of 0 asked" in Outline(render(bare, result.plan, result.summary())).text


def test_proof_is_said_as_it_is() -> None:
    """A bound that holds for the allocation alone, and none at all, are said so."""
    instance, result = solved("tiny/weights-decide")
    merit, scatter = result.tiers
    half = replace(result, tiers=(merit, replace(scatter, bound=scatter.value - 1, given="allocation")))
    text = Outline(render(instance, half.plan, half.summary())).text
    assert "no placement of this allocation scores below" in text
    bare = replace(result, tiers=(replace(merit, bound=None), replace(scatter, bound=None)), fragmentation_bound=None)
    text = Outline(render(instance, bare.plan, bare.summary())).text
    assert text.count("nothing is proven") >= 3
    other = {**result.summary(), "tiers": [{"name": "speed", "value": 3.0, "bound": 4.0, "gap": 0.25, "given": None}]}
    text = Outline(render(instance, result.plan, other)).text
    assert "Tier “speed”: no plan that is as good on the earlier tiers gets past 4; this one has 3." in text


def test_words_are_the_same_in_both() -> None:
    """Both languages have the same keys, with the same places for figures, and a word for every reason."""

    def places(table: Any, key: str = "") -> dict[str, set[str]]:
        if isinstance(table, str):
            return {key: set(re.findall(r"{(\w+)}", table))}
        return {name: found for part in table for name, found in places(table[part], f"{key}.{part}").items()}

    english, korean = (Words.of(lang).table for lang in LANGUAGES)
    assert places(english) == places(korean)
    assert {reason.code for reason in REASONS} == set(english["reason"]) == set(english["meaning"])
    with pytest.raises(ValueError, match="no words in 'fr'; there are: en, ko"):
        Words.of("fr")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 2, "50 %"), (9999, 10000, "99.9 %"), (1, 10**6, "<0.1 %"), (0, 5, "0 %"), (0, 0, "–")],
)
def test_percent(part: int, whole: int, shown: str) -> None:
    """A share never looks complete, or like nothing, when it is not."""
    assert percent(part, whole) == shown
    assert figure(None) == "–"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The directory of a plan of a tiny instance."""
    write_result(solved("tiny/cap")[1], tmp_path / "plan")
    return tmp_path / "plan"


def run(*words: object) -> Any:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["report", str(INSTANCES / "tiny" / "cap"), *map(str, words)])


def test_command(plan: Path, tmp_path: Path) -> None:
    """The command writes one file in the language that was asked for."""
    done = run(plan, "--out", tmp_path / "r.html", "--lang", "ko")
    assert done.exit_code == 0, done.output
    assert '<html lang="ko">' in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan", "r.html"]


def test_command_with_a_plan_alone(plan: Path, tmp_path: Path) -> None:
    """A plan whose certificate tells where its instance is needs no other word; a broken certificate tells nothing."""
    told = {"instance": {"path": str(INSTANCES / "tiny" / "cap")}}
    (plan / "certificate.json").write_text(json.dumps(told), encoding="utf-8")
    out = tmp_path / "r.html"
    done = CliRunner().invoke(app, ["report", str(plan), "--out", str(out)])
    assert done.exit_code == 0 and out.exists(), done.output
    out.unlink()
    for broken in ('{"instance": {}}', '{"instance": {"path": 1}}', "[]", "{"):
        (plan / "certificate.json").write_text(broken, encoding="utf-8")
        done = CliRunner().invoke(app, ["report", str(plan), "--out", str(out)])
        assert (done.exit_code, "name the instance before the directory" in done.stderr) == (2, True)
    assert not out.exists()


def test_command_refuses_a_plan_that_is_wrong(plan: Path, tmp_path: Path) -> None:
    """Nothing is written of a plan whose summary claims what is not so."""
    file = plan / "summary.json"
    summary = json.loads(file.read_text(encoding="utf-8"))
    summary["gpus"]["allocated"] += 8
    file.write_text(json.dumps(summary), encoding="utf-8")
    done = run(plan, "--out", tmp_path / "r.html")
    assert (done.exit_code, done.stdout, "gpus.allocated" in done.stderr) == (1, "", True)
    assert not (tmp_path / "r.html").exists()


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a package of the extra is not installed, the message says what to install."""
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.delitem(sys.modules, "plotly.offline", raising=False)
    with pytest.raises(KallocError, match=r'the report needs plotly: pip install "kalloc\[report\]"'):
        needs("plotly.offline")
