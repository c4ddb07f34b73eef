"""Checks of the built site: every link and anchor leads somewhere, and no page loads anything from another host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("object", "data"), ("use", "href")}
_LOADED_LINKS = ("stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload")


class HtmlPage(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element says."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and any(word in values.get("rel", "") for word in _LOADED_LINKS):
            self.loads.append(values["href"])
        self.loads += [values[name] for name in values if (tag, name) in _LOADS]
        if tag == "img" and not values.get("alt"):
            self.faults.append(f"the picture {values.get('src')} has no text alternative")


def problems(out: Path, url: str) -> Iterator[str]:
    """What is wrong with the pages of a site in a folder, which will be at the address `url`."""
    pages = {
        file.relative_to(out).as_posix(): HtmlPage(file.read_text(encoding="utf-8")) for file in out.rglob("*.html")
    }
    root = urlsplit(url).path.strip("/")
    for name, page in sorted(pages.items()):
        yield from (f"{name}: {fault}" for fault in page.faults)
        yield from (f"{name}: loads {load} from another host" for load in page.loads if urlsplit(load).netloc)
        for link in [*page.links, *page.loads]:
            if not urlsplit(link).scheme and not urlsplit(link).netloc and not _leads(link, name, pages, out, root):
                yield f"{name}: the link to {link} leads nowhere"


def _leads(link: str, name: str, pages: Mapping[str, HtmlPage], out: Path, root: str) -> bool:
    """Whether a link of the page `name` leads to a file, and to an anchor that this file has."""
    parts = urlsplit(link)
    path = unquote(parts.path)
    if path.startswith("/"):
        path = path.strip("/").removeprefix(root).strip("/") or "."
    else:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    if path == "..":  # the folder of all versions: website/publish.py puts a page there
        return True
    if (out / path).is_dir():
        path = posixpath.normpath(posixpath.join(path, "index.html"))
    anchor = unquote(parts.fragment)
    return (out / path).is_file() and (not anchor or path not in pages or anchor in pages[path].anchors)
