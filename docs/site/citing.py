"""The page on citing, from CITATION.cff."""

from pathlib import Path

import yaml

__all__ = ["page"]

PAGE = """# How to cite

After this page you can cite Allometry, and the sources of the studies you ran.

{message}

```bibtex
@software{{allometry,
  title = {{{title}}},
  author = {{{authors}}},
  version = {{{version}}},
  license = {{{license}}},
}}
```

Each study names its own source on its page and in its report; cite that too. A law's source stands in
the [gallery of laws](gallery/laws.md) and in `al.laws.named(NAME).source`.

## What it builds on

{references}
"""


def page(path: Path) -> str:
    """The page as Markdown."""
    cited = yaml.safe_load(path.read_text("utf-8"))
    authors = " and ".join(_name(author) for author in cited["authors"])
    references = [
        f"- {', '.join(map(_name, work['authors']))} ({work['year']}), *{work['title']}*, "
        f"[doi:{work['doi']}](https://doi.org/{work['doi']}). {work['notes']}"
        for work in cited["references"]
    ]
    fields = {name: cited[name] for name in ("message", "title", "version", "license")}
    return PAGE.format(authors=authors, references="\n".join(references), **fields)


def _name(author: dict[str, str]) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"
