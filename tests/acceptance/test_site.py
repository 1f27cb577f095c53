"""The documentation site as `make docs` builds it: whole, reachable, and shown by a browser without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from danbao_core.testing.temporary import a_temporary_folder

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "build" / "screenshots"
CHROMIUM = shutil.which("chromium")
PROBE = """<script>addEventListener("load", () => {
  const of = (each) => { const box = each.getBoundingClientRect(); return [box.width, box.height]; };
  const pictures = [...document.querySelectorAll("svg.life")].map(
    (svg) => ({box: of(svg), texts: [...svg.querySelectorAll("text")].map((text) => [text.textContent, ...of(text)])}));
  document.title = "probe:" + JSON.stringify(pictures);
})</script>"""


class Html(HTMLParser):
    """What a page links to, loads, and can be linked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links = list[str]()
        self.loaded = list[str]()
        self.anchors = set[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {name for name in (given.get("id"),) if name}
        if tag == "a" and (target := given.get("href")):
            self.links.append(target)
        elif target := given.get("src") or (given.get("href") if tag in ("link", "use", "image") else None):
            self.loaded.append(target)


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    """The built site. Sphinx treats each warning as an error, so a build that succeeds has no reference that leads nowhere."""
    folder = a_temporary_folder("danbao-site-")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}
    build = [sys.executable, "-m", "docs.generator", str(folder / "docs")]
    done = subprocess.run(build, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder / "docs"
    shutil.rmtree(folder)


@cache
def page(path: Path) -> Html:
    return Html(path)


def target_of(link: str, path: Path) -> tuple[Path, str] | None:
    """The file that a link of a page leads to, and the place in it; None for what is elsewhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    return (path.parent / unquote(parts.path)).resolve() if parts.path else path, unquote(parts.fragment)


def test_every_link_inside_leads_to_a_place_that_there_is(site: Path) -> None:
    for path in site.rglob("*.html"):
        for link in page(path).links:
            if (found := target_of(link, path)) is not None:
                target, fragment = found
                assert target.is_file(), f"{path.relative_to(site)}: {link}"
                assert not fragment or fragment in page(target).anchors, f"{path.relative_to(site)}: {link}"


def test_every_page_can_be_reached_from_the_first(site: Path) -> None:
    reached, ahead = set[Path](), [site / "index.html"]
    while ahead:
        path = ahead.pop()
        if path not in reached:
            reached.add(path)
            found = (target_of(link, path) for link in page(path).links)
            ahead += [target for target, _ in filter(None, found) if target.suffix == ".html"]
    assert set(site.rglob("*.html")) - {site / "search.html", site / "genindex.html"} <= reached
    assert len(reached) > 35


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for loaded in page(path).loaded:
            if not loaded.startswith("data:"):
                found = target_of(loaded, path)
                assert found is not None, f"{path.relative_to(site)} loads {loaded}"
                assert found[0].is_file(), f"{path.relative_to(site)} loads {loaded}"
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text(encoding="utf-8")), path


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here; Debian has it as a package")
def test_a_browser_shows_the_diagrams(site: Path) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    path, screenshot = site / "concepts" / "payments.html", OUTPUT / "payments.png"
    browse(f"--screenshot={screenshot}", "--window-size=1400,2400", path)
    assert screenshot.stat().st_size > 50_000
    shown = probed(path)
    assert len(shown) == 4
    for each in shown:
        width, height = each["box"]
        assert width > 500
        assert height > 100
        assert each["texts"]
        assert all(0 < wide < width and 0 < high < 40 for _, wide, high in each["texts"])


def probed(path: Path) -> Any:
    """The pictures of a page with their sizes and texts, as the browser lays them out.

    A picture that is not shown, or whose font or style is missing, has no size."""
    probe = path.with_name("probe.html")
    probe.write_text(path.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    try:
        found = re.search(r"<title>probe:(.*?)</title>", browse("--dump-dom", "--window-size=1400,2400", probe))
    finally:
        probe.unlink()
    assert found is not None
    return json.loads(found[1].replace("&amp;", "&"))


def browse(*arguments: str | Path) -> str:
    """What a browser without a window says. It has no network: a page that needed one would not be whole."""
    assert CHROMIUM is not None
    *options, path = arguments
    offline = ("--proxy-server=127.0.0.1:1", "--disable-background-networking", "--virtual-time-budget=5000")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *offline, *options]
    done = subprocess.run([*command, f"file://{path}"], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
