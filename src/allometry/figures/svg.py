"""A drawn figure as SVG inside an HTML page.

Matplotlib's SVG is a whole document: it has a style sheet that would affect the
page, style attributes that a strict content security policy forbids, and ids
that clash between figures. Here styles become attributes, and only ids that are
referred to are kept, prefixed with the figure's name.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from xml.etree import ElementTree

from allometry.figures.drawing import HEADLINE, Drawing

__all__ = ["inline_svg"]

XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
KEPT_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
# Figures are drawn for paper; on a screen a point is this many CSS pixels.
PIXELS = 1.85


def inline_svg(drawing: Drawing, name: str, title: str, description: str) -> str:
    """SVG markup with role, label and description, without the headline, which the page shows.

    Args:
        name: letters, digits and hyphens; unique for each figure of a page.
        title: the accessible name. description: text for readers who cannot see the figure.
    """
    root = _tree(drawing.svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style", "title") or child.get("id") == HEADLINE:
                parent.remove(child)
    _add_tips(root, drawing.tips)
    _plain_attributes(root)
    _rename(root, name)
    _unwrap(root)
    width, height = (float(n) for n in root.attrib["viewBox"].split()[2:])
    shown_height = height - drawing.band
    # Dimensions are given as attributes, so that the page does not jump while it is laid out.
    head = (
        f'<svg class="{"wide" if width > 300 else "narrow"}" role="img" '
        f'aria-label="{escape(title)}" aria-describedby="{name}-desc" '
        f'viewBox="0 {drawing.band:g} {width:g} {shown_height:g}" width="{width * PIXELS:.0f}" '
        f'height="{shown_height * PIXELS:.0f}" stroke-linejoin="round" stroke-linecap="butt">'
    )
    body = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    return f'{head}<desc id="{name}-desc">{escape(description)}</desc>{body}</svg>'


def _tree(document: bytes) -> ElementTree.Element:
    """The document as a tree, without namespaces and white space between elements."""
    root = ElementTree.fromstring(document)  # noqa: S314 - Matplotlib wrote it just now
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = element.text = None
    return root


def _add_tips(root: ElementTree.Element, tips: Mapping[str, Sequence[str]]) -> None:
    """Add a title to each mark with a tip; browsers show it when the pointer is on the mark."""
    for group in root.iter():
        texts = tips.get(group.get("id", ""), ())
        marks = list(group.iter("use"))
        if len(marks) == len(texts):  # unequal if marks lie outside the figure
            for mark, text in zip(marks, texts, strict=True):
                ElementTree.SubElement(mark, "title").text = text


def _plain_attributes(root: ElementTree.Element) -> None:
    for element in root.iter():
        for declaration in element.attrib.pop("style", "").split(";"):
            key, _, value = declaration.partition(":")
            if value:
                element.set(key.strip(), value.strip())
        element.attrib.pop(KEPT_SPACE, None)
        if XLINK_HREF in element.attrib:
            element.set("href", element.attrib.pop(XLINK_HREF))
        for key in ("d", "x", "y", "width", "height"):
            if key in element.attrib:
                element.set(key, _short(element.attrib[key]))
        if "transform" in element.attrib:
            element.set(
                "transform",
                re.sub(r"translate\([^)]*\)", lambda m: _short(m[0]), element.attrib["transform"]),
            )


def _short(numbers: str) -> str:
    """Numbers rounded to hundredths of a point, a fiftieth of the thinnest line."""
    text = re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), numbers)
    return " ".join(text.split())


def _unwrap(parent: ElementTree.Element) -> None:
    """Remove groups without attributes and empty definitions, from the innermost outwards."""
    children: list[ElementTree.Element] = []
    for child in list(parent):
        _unwrap(child)
        if (child.tag == "g" and not child.attrib) or (child.tag == "defs" and not len(child)):
            children.extend(child)
        else:
            children.append(child)
    parent[:] = children


def _rename(root: ElementTree.Element, name: str) -> None:
    """Keep the ids that something refers to, prefixed with the figure's name."""
    values = [v for e in root.iter() for v in e.attrib.values()]
    pointed = {m for v in values for m in re.findall(r"url\(#([^)]+)\)", v)}
    pointed |= {v[1:] for v in values if v.startswith("#")}
    named = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
    new = {old: f"{name}-{i}" for i, old in enumerate(n for n in named if n in pointed)}
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                if value in new:
                    element.set("id", new[value])
                else:
                    del element.attrib["id"]
            elif value.startswith("#") and value[1:] in new:
                element.set(key, f"#{new[value[1:]]}")
            elif value.startswith("url(#"):
                element.set(key, f"url(#{new[value[5:-1]]})")
