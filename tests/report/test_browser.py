"""The report in a real Chromium without a head: clicks, keys, search, paper, and no request to any address."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kalloc
from kalloc.generate import generate
from kalloc.instance import Pool, Project
from kalloc.report import render
from tests.report.plans import EVIL, IMAGE, hostile, solved

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason='needs playwright: pip install "kalloc[test]"')
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for all tests of this file."""
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page that was opened, with everything that it asked for or complained about."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1300, "height": 900})
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]")


@pytest.fixture(scope="module")
def call(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The report of the first Korean call."""
    instance, result = solved("korea-2026-call1")
    file = tmp_path_factory.mktemp("call") / "report.html"
    file.write_text(render(instance, result.plan, result.summary()), encoding="utf-8")
    opened = Opened(browser, file)
    yield opened
    opened.page.close()


def test_alone(call: Opened) -> None:
    """The page draws its pictures, asks no address for anything but itself, and complains of nothing."""
    assert [url.rpartition("/")[2] for url in call.requests] == ["report.html"]
    assert call.complaints == []
    for name in ("flow", "scatter", "slots", "curve"):
        assert call.page.locator(f"#picture-{name} svg.main-svg").count() >= 1, name
    assert "script-src 'sha256-" in str(call.page.get_attribute("meta[http-equiv]", "content"))


def test_map_opens_to_the_node(call: Opened) -> None:
    """All 542 nodes are squares; a click on one tells its place and its project, and the project its nodes."""
    squares = call.page.locator("#map-view .square")
    assert squares.count() == 542
    squares.first.click()
    detail = call.page.locator("#map-detail")
    assert "gak-sejong / naver-h200-1 / su1 / r1" in detail.inner_text()
    name = detail.locator("li .link").inner_text()
    detail.locator("li .link").click()
    _, result = solved("korea-2026-call1")
    nodes = {seat.node for seat in result.plan.seats if seat.project == name}
    assert call.page.locator("#map-view .square.here").count() == len(nodes)
    assert f"node {len(nodes)}" in detail.inner_text()
    assert squares.count() == 542


def test_map_by_keys(call: Opened) -> None:
    """The squares of a unit are one stop of the Tab key; arrows move inside, Enter opens."""
    first = call.page.locator("#map-view .squares").first
    assert first.locator(".square[tabindex='0']").count() == 1
    first.locator(".square").first.focus()
    call.page.keyboard.press("ArrowRight")
    call.page.keyboard.press("Enter")
    assert call.page.locator("#map-detail h3").inner_text() == "gak-sejong/naver-h200-1/su1/r1/n2"


def test_find_a_project(call: Opened) -> None:
    """The map finds projects by a part of their name."""
    call.page.fill("#find", "ACADEMIA-007")
    assert call.page.locator("#map-find .link").all_inner_texts() == ["academia-007"]
    call.page.fill("#find", "nobody")
    assert "no project matches" in call.page.locator("#map-find").inner_text()
    call.page.fill("#find", "")


def test_search_and_sort(call: Opened) -> None:
    """Reasons are searched, chosen and sorted, a page at a time; a row leads to the map."""
    page = call.page
    rows, count = page.locator("#reasons-table tbody tr"), page.locator("#reasons-count")
    assert (rows.count(), count.inner_text()) == (50, "1–50 of 548")
    page.click("#reasons-next")
    assert count.inner_text() == "51–100 of 548"
    page.fill("#reasons-search", "research-037")
    assert (rows.count(), "research-037" in rows.first.inner_text()) == (1, True)
    page.fill("#reasons-search", "")
    page.select_option("#reasons-reason", "in full")
    page.click("#reasons-table [data-sort=given]")
    given = [int(text) for text in page.locator("#reasons-table tbody td:nth-child(5)").all_inner_texts()]
    _, result = solved("korea-2026-call1")
    assert given == sorted((grant.gpus for grant in result.plan.grants if grant.reason == "full"), reverse=True)[:50]
    assert page.get_attribute("#reasons-table th:nth-child(5)", "aria-sort") == "descending"
    rows.first.locator("button").click()
    assert page.locator("#map-view .square.here").count() == given[0] // 8
    page.locator("#map-detail button").last.click()
    page.select_option("#reasons-reason", "")


def test_paper(call: Opened) -> None:
    """The page prints to PDF, some pages of A4, and is then as it was."""
    before = call.page.locator("#map-view .square").count()
    data = call.page.pdf(prefer_css_page_size=True)
    assert data.startswith(b"%PDF-")
    assert 3 <= data.count(b"/Type /Page\n") <= 20
    assert call.page.locator("#map-view .square").count() == before


def test_nothing(browser: Browser, tmp_path: Path) -> None:
    """A page of which there is nothing to draw says so, and all of it works."""
    instance = kalloc.Instance(name="bare", pools=(Pool(pool="all"),), projects=(Project(project="p", pool="all"),))
    result = kalloc.solve(instance, threads=1)
    file = tmp_path / "report.html"
    file.write_text(render(instance, result.plan, result.summary()), encoding="utf-8")
    opened = Opened(browser, file)
    assert "Nothing is allocated" in opened.page.locator("#flow").inner_text()
    assert opened.page.locator("#reasons-count").inner_text() == "nothing matches"
    assert opened.complaints == []
    opened.page.close()


def test_tiles(browser: Browser, tmp_path: Path) -> None:
    """A large instance is first a tile per fabric; Enter opens it to its nodes, a project leads to where it sits."""
    instance = generate("national", 0, family="partial", nodes=1200)
    result = kalloc.solve(instance, threads=1, time_limit=5)
    file = tmp_path / "report.html"
    file.write_text(render(instance, result.plan, result.summary()), encoding="utf-8")
    opened = Opened(browser, file)
    page, fabrics = opened.page, instance.topology.paths[1]
    assert page.locator(".tile .name").all_inner_texts() == [path[1] for path in fabrics]
    page.locator(".tile").nth(1).focus()
    page.keyboard.press("Enter")
    inside = [row.count for row in instance.inventory if row.path[:2] == fabrics[1]]
    assert page.locator("#map-view .square").count() == sum(inside)
    page.fill("#find", result.plan.seats[0].project)
    page.locator("#map-find button").first.click()
    nodes = {seat.node for seat in result.plan.seats if seat.project == result.plan.seats[0].project}
    assert page.locator("#map-view .square.here").count() == len(nodes)
    page.locator("#map-view .crumbs .link").first.click()
    assert page.locator(".tile.here").count() == len({seat.path[1] for seat in result.plan.seats if seat.node in nodes})
    assert (len(opened.requests), opened.complaints) == (1, [])
    page.close()


@pytest.mark.parametrize(("name", "lang"), [("tiny/staying-project", "en"), ("tiny/borrowing", "ko")])
def test_accessible(browser: Browser, tmp_path: Path, name: str, lang: str) -> None:
    """The rules of axe (names, roles, contrast, headings, landmarks) find nothing, with every table open."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason='needs axe: pip install "kalloc[test]"')
    instance, result = solved(name)
    file = tmp_path / "report.html"
    file.write_text(render(instance, result.plan, result.summary(), lang=lang), encoding="utf-8")
    page = browser.new_context(bypass_csp=True).new_page()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.locator("#map-view .square").first.click()
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


def test_table_behind_the_map(call: Opened) -> None:
    """Behind the map stands a table of what is in view, down to the nodes with their projects."""
    page = call.page
    page.click("#map-table summary")
    assert page.locator("#map-table caption").inner_text() == "All"
    first = page.locator("#map-table tbody tr").first.inner_text().split("\t")
    _, result = solved("korea-2026-call1")
    [seat] = [seat for seat in result.plan.seats if seat.node == first[0]]
    assert first == [seat.node, "H200", "8", "8", f"{seat.project} {seat.gpus}"]
    assert "and 142 more" in page.locator("#map-table").inner_text()
    page.click("#map-table summary")


def test_hostile_names(browser: Browser, tmp_path: Path) -> None:
    """Names that are markup are shown as they are written: no script, no picture, no link comes of them."""
    instance, result = hostile()
    file = tmp_path / "report.html"
    file.write_text(render(instance, result.plan, result.summary(), lang="ko"), encoding="utf-8")
    opened = Opened(browser, file)
    page = opened.page
    assert page.title() == IMAGE
    assert page.locator("h1").inner_text() == IMAGE
    assert page.locator("body img, a[href^='http'], iframe").count() == 0
    page.locator("#map-view .square").first.click()
    page.fill("#find", "<")
    page.locator("#map-find .link").first.click()
    assert EVIL in page.locator("#map-detail").inner_text()
    assert page.title() == IMAGE
    assert (len(opened.requests), opened.complaints) == (1, [])
    page.close()
