"""`allometry sample`: sample text from a stored language model."""

from pathlib import Path

import click

from allometry.cli.help import example
from allometry.cli.options import as_json, completed_by, in_store
from allometry.cli.output import print_json, print_text, prints_on_stderr

__all__ = ["sample"]


@click.command(
    short_help="Sample text from a stored language model.",
    epilog=example('sample 3f6c2a91 --prompt "It was" --temperature 0.8'),
)
@click.argument("run")
@click.option(
    "--prompt", metavar="TEXT", default="\n", help="Text to continue. Default: a line feed."
)
@click.option(
    "--tokens", type=click.IntRange(min=1), default=200, show_default=True,
    help="Number of tokens to sample.",
)  # fmt: skip
@click.option(
    "--temperature", type=click.FloatRange(min=0), default=1.0, show_default=True,
    help="Divisor of the logits; 0 always takes the most probable token.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True,
    help="Seed of the sampling; the same seed gives the same text.",
)  # fmt: skip
@click.option(
    "--study",
    shell_complete=completed_by("studies"),
    help="The study of the run; needed if tokens are characters or byte pairs of your own text.",
)
@in_store
@as_json
def sample(
    run: str, prompt: str, tokens: int, temperature: float, seed: int, study: str | None,
    store: Path, as_json: bool,
) -> None:  # fmt: skip
    """Print the prompt and its continuation by the language model of RUN (a run_id, or its first
    characters). `allometry run STUDY --keep weights` keeps the models that it trains."""
    from allometry.store import Store
    from allometry.store.sample import sample as sample_run
    from allometry.store.selection import run_ids_named
    from allometry.studies import study as find

    with Store(store) as opened:
        (run_id,) = run_ids_named(opened, [run])
    with prints_on_stderr():
        if study:
            find(study, store=store)  # its module reads the text, which `sample` then finds
        text = sample_run(
            run_id, store=store, prompt=prompt, tokens=tokens, temperature=temperature, seed=seed
        )
    if as_json:
        print_json("sample", store=str(store), run_id=run_id, prompt=prompt, text=text)
        return
    print_text(f"{prompt}{text}\n")
