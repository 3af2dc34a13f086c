"""Check the built pages: ``python docs/check_site.py FOLDER``; exit status 1 if anything is wrong.

Every internal link leads somewhere, every picture has an alternative text, nothing is loaded from
another address, every public name has its page, and no page shows a warning or a message of a
compiler. ``DOCS_ONLINE=1`` also asks for every external link.
"""

import os
import re
import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

# What may not be seen in a result.
UNWANTED = ("Compiling for this processor", "Traceback (most recent call last)", "Warning: ")
LOADED = {"script": "src", "img": "src", "link": "href", "source": "srcset", "iframe": "src"}


class Page(HTMLParser):
    """What a page loads and links to, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.faults: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        values = dict(attrs)
        self.anchors.update(filter(None, (values.get("id"), values.get("name"))))
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        # The text of the logo and the titles of the gallery's pages stand beside their pictures.
        decoration = "logo__image" in (values.get("class") or "") or "_thumb" in str(
            values.get("src")
        )
        if tag == "img" and not (values.get("alt") or "").strip() and not decoration:
            self.faults.append(f"no alternative text: {values.get('src')}")
        relation = values.get("rel") or ""
        if (
            tag in LOADED
            and values.get(LOADED[tag])
            and relation not in ("next", "prev", "canonical")
        ):
            self.loaded.append(str(values[LOADED[tag]]).split()[0])


def is_external(address: str) -> bool:
    """Return whether an address leads out of the documentation."""
    return bool(urlsplit(address).scheme or urlsplit(address).netloc)


def faults_of(root: Path, pages: dict[Path, Page]) -> list[str]:
    """Return one line for everything that is wrong."""
    found = []
    for path, page in pages.items():
        name = path.relative_to(root)
        found += [f"{name}: {fault}" for fault in page.faults]
        found += [
            f"{name}: loads {address}"
            for address in page.loaded
            if is_external(address) and not address.startswith("data:")
        ]
        for address in page.links + page.loaded:
            if is_external(address):
                continue
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{name}: leads nowhere: {address}")
            elif (
                parts.fragment
                and target in pages
                and (unquote(parts.fragment) not in pages[target].anchors)
            ):
                found.append(f"{name}: no such anchor: {address}")
        text = path.read_text("utf-8")
        found += [f"{name}: shows {words!r}" for words in UNWANTED if words in text]
    return found


def missing_names(root: Path) -> list[str]:
    """Return one line for every public name without a page, or without an example on it."""
    from public_names import NAMES

    found = []
    for full in sorted(set(NAMES.values())):
        page = root / "api" / "generated" / f"{full}.html"
        if not page.is_file():
            found.append(f"api: no page of {full}")
        elif full.startswith("skimage_tvflow") and "Examples</p>" not in page.read_text("utf-8"):
            found.append(f"api: no example of {full}")
    return found


def dead_links(pages: dict[Path, Page]) -> list[str]:
    """Return one line for every external address that does not answer."""
    found = []
    for address in sorted({a for p in pages.values() for a in p.links if a.startswith("http")}):
        request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0"})
        try:
            urllib.request.urlopen(request, timeout=20).close()
        except (urllib.error.URLError, TimeoutError) as error:
            found.append(f"does not answer: {address}: {error}")
    return found


def main(folder: str) -> int:
    """Check all pages of a folder, print what is wrong."""
    root = Path(folder).resolve()
    paths = [path for path in root.rglob("*.html") if not re.search(r"_static|webpack", str(path))]
    pages = {path: Page(path) for path in paths}
    found = faults_of(root, pages) + missing_names(root)
    if os.environ.get("DOCS_ONLINE") == "1":
        found += dead_links(pages)
    for line in found:
        print(line)
    images = sum(len(page.loaded) for page in pages.values())
    links = sum(len(page.links) for page in pages.values())
    print(f"{len(pages)} pages, {links} links, {images} loaded files, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
