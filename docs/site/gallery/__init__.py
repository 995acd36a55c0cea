"""The gallery: a picture of each study, law, model, optimiser, schedule and figure, with its lines.

Pictures are drawn whenever the site is built, by the lines shown beside them. Those of studies
take minutes to train: they are kept in docs/figures/studies, and ``python -m docs.site.gallery
STUDY`` draws one again.
"""

from pathlib import Path

from docs.site.gallery import figures, laws, models, optimizers, studies
from docs.site.gallery.item import Kind

__all__ = ["kinds", "write"]

ROOT = Path(__file__).parents[3]

INDEX = """# Gallery

After this page you can pick a study, law, model, optimiser or figure by its look, and go to the lines
that make it.
"""


def kinds(data: str) -> list[Kind]:
    """The pages of the gallery.

    Args:
        data: the folder of docs/examples, as seen from where the lines run.
    """
    return [
        Kind("studies", "Studies", "run each shipped study and draw its first figure",
             studies.items(), studies.NOTE),
        Kind("laws", "Laws", "choose a law by its form, and evaluate it", laws.items(),
             "The parameters are illustrations, chosen to make the form visible."),
        Kind("models", "Models", "see how the parameters and the work of a model grow with its width",
             models.items(), "`forward_flop` is of one example."),
        Kind("optimizers", "Optimisers", "compare the paths of the update rules", optimizers.items(),
             "Each makes 60 updates on (x² + 20 y²)/2."),
        Kind("schedules", "Schedules", "choose how the learning rate goes along training",
             optimizers.of_schedules()),
        Kind("figures", "Figures", "draw each kind of figure from arrays, a fit or a plan",
             figures.items(data)),
    ]  # fmt: skip


def write(folder: Path) -> None:
    """All pages with their pictures."""
    folder.mkdir(parents=True)
    pages = kinds("../../examples")
    index = [INDEX]
    for kind in pages:
        place = folder / kind.slug
        place.mkdir()
        for item in kind.items:
            if item.drawn is None:
                item.draw(place)
            else:
                (place / item.picture).write_bytes(item.drawn.read_bytes())
        (folder / f"{kind.slug}.md").write_text(_page(kind), encoding="utf-8")
        index.append(_thumbnails(kind))
    tree = "\n".join(kind.slug for kind in pages)
    index.append(f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n")
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


def _page(kind: Kind) -> str:
    """Every picture of a kind, what it shows, and its lines."""
    parts = [f"# {kind.title}\n\nAfter this page you can {kind.aim}. {kind.note}\n"]
    parts += [
        f"({kind.slug}-{item.name})=\n## `{item.name}`\n\n{item.text}\n\n"
        f"![{item.name}]({kind.slug}/{item.picture})\n\n```python\n{item.lines}```\n"
        for item in kind.items
    ]
    return "\n".join(parts)


def _thumbnails(kind: Kind) -> str:
    """The pictures of a kind, small, each leading to its lines."""
    cards = "".join(
        f":::{{grid-item-card}} `{item.name}`\n:img-top: {kind.slug}/{item.picture}\n"
        f":link: {kind.slug}-{item.name}\n:link-type: ref\n:class-card: thumbnail\n:::\n"
        for item in kind.items
    )
    return f"## {kind.title}\n\n::::{{grid}} 2 3 3 4\n:gutter: 2\n\n{cards}::::\n"
