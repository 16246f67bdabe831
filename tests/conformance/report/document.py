"""A page as its readers have it: parsed strictly, asked for what stands where."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import html5lib


class Document:
    """A parsed page. Any error of the standard raises `html5lib.html5parser.ParseError`."""

    def __init__(self, rendered: str) -> None:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root: Element = parser.parse(rendered)

    def text(self, path: str = "body") -> str:
        """The words below the first element at the path, scripts left out."""
        return words(self.one(path))

    def one(self, path: str) -> Element:
        """The only element, or the first one, at the path."""
        found = self.root.find(f".//{path}")
        assert found is not None, path
        return found

    def all(self, path: str) -> list[Element]:
        """All elements at the path."""
        return self.root.findall(f".//{path}")

    def by_id(self, name: str) -> Element:
        """The element with that id."""
        return self.one(f"*[@id='{name}']")

    @property
    def ids(self) -> list[str]:
        """All ids, in order."""
        return [e.attrib["id"] for e in self.root.iter() if "id" in e.attrib]

    @property
    def links(self) -> set[str]:
        """All that is linked to or loaded."""
        return {
            value
            for e in self.root.iter()
            for name, value in e.attrib.items()
            if name in ("href", "src")
        }


def words(element: Element) -> str:
    """The words below an element, with single spaces between them."""
    return " ".join(_texts(element).split())


def _texts(element: Element) -> str:
    if element.tag in ("script", "style"):
        return element.tail or ""
    inside = "".join(_texts(child) for child in element)
    return f"{element.text or ''}{inside}{' ' if element.tag != 'code' else ''}{element.tail or ''}"
