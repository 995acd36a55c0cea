"""Pages of the API reference: what the package gives, in the groups of docs/api.md.

Each name becomes a Sphinx directive, and its docstring is read when the site is built.
"""

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import allometry

__all__ = ["groups", "write"]

INTRODUCTION = """# API reference

After this page you can find the arguments, shapes, units and errors of every public name.

Names are written as after `import allometry as al`. [The library](../api.md) lists the same in one page,
with a line each.

```{toctree}
:maxdepth: 1

"""


def groups(listing: str) -> dict[str, list[str]]:
    """Headings of docs/api.md and the names of the tables below them.

    Args:
        listing: the text of the page.
    """
    parts = re.split(r"^## (.*)$", listing, flags=re.M)[1:]
    tables = zip(parts[::2], parts[1::2], strict=True)
    return {title: re.findall(r"^\| `al\.(\w+)` \|", table, re.M) for title, table in tables}


def write(folder: Path, listing: str) -> None:
    """A page for each group of names, and one for each public module."""
    folder.mkdir(parents=True)
    named = groups(listing)
    modules = named.pop("Modules")
    pages = {}
    for title, names in named.items():
        pages[_slug(title)] = _page(title, allometry, names)
    for name in modules:
        module = getattr(allometry, name)
        pages[f"al-{name}"] = _page(f"al.{name}", module, _own(module))
    for slug, text in pages.items():
        (folder / f"{slug}.md").write_text(text, encoding="utf-8")
    index = INTRODUCTION + "\n".join(pages) + "\n```\n"
    (folder / "index.md").write_text(index, encoding="utf-8")


def _own(module: ModuleType) -> list[str]:
    """Dotted names below a module: those it exports, else those of the modules in it.

    Names that the package exports itself stand on another page.
    """
    exported = getattr(module, "__all__", None)
    if exported is None and not hasattr(module, "__path__"):
        exported = [n for n, v in vars(module).items() if _is_made_in(v, module) and n[0] != "_"]
    if exported is not None:
        return [name for name in exported if not hasattr(allometry, name)]
    parts = [import_module(f"{module.__name__}.{m.name}") for m in iter_modules(module.__path__)]
    return [f"{part.__name__.rpartition('.')[2]}.{name}" for part in parts for name in _own(part)]


def _is_made_in(value: object, module: ModuleType) -> bool:
    return getattr(value, "__module__", "") == module.__name__


def _page(title: str, module: ModuleType, names: Iterable[str]) -> str:
    """A heading, what the module says of itself, and a directive for each name."""
    body = "\n".join(filter(None, (_directive(module, name) for name in names)))
    listed, said = "names", ""
    if module is not allometry:
        listed, said = f"names of `{module.__name__}`", inspect.getdoc(module) or ""
    return (
        f"# {title}\n\nAfter this page you can use the {listed} below with the right arguments."
        f"\n\n````{{eval-rst}}\n{said}\n\n{body}````\n"
    )


def _directive(module: ModuleType, name: str) -> str:
    """Of a class with its methods, or of a function; other values have no docstring of their own."""
    value = attrgetter(name)(module)
    name = f"{module.__name__}.{name}"
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:\n"
    return f".. autofunction:: {name}\n" if inspect.isroutine(value) else ""


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")
