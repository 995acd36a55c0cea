"""A notebook as Jupyter runs it: progress in its cell, an interrupt that keeps what is done."""

import contextlib
import queue
import re
import time

import pytest

pytest.importorskip("ipykernel", reason="pip install 'allometry[docs]'")
pytest.importorskip("jupyter_client", reason="pip install 'allometry[docs]'")

RUNS = 12
CELLS = f"""
import time
import allometry as al
from allometry.training.function import Function

class Point(al.Experiment):
    n: int

def train(spec):
    time.sleep(0.2)
    return {{"loss": 2.0 * spec.n**-0.5}}

def runs(size, seeds):
    return [Point(n=n, seed=seed) for seed in seeds for n in range(1, {RUNS + 1})]

study = al.Study(name="slow", runs=runs, procedure=Function(train), measures={{}}, sizes=("quick",))
"""
FIT = """
from allometry.figures.fits import draw_fit
fit = al.fit(al.table(study, store="s.db"), "power", {"x": "n", "y": "loss"}, resamples=20)
"""


class Notebook:
    """A kernel of its own, and what its cells give."""

    def __init__(self, folder):
        from jupyter_client.manager import start_new_kernel

        self._kernel, self._client = start_new_kernel(cwd=str(folder))

    def run(self, cell, interrupt_at=None):
        """The outputs of a cell; at the first whose text is so, the kernel is interrupted."""
        asked, outputs, end = self._client.execute(cell), [], time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                message = self._client.get_iopub_msg(timeout=0.2)
                if message["parent_header"].get("msg_id") != asked:
                    continue
                content, kind = message["content"], message["msg_type"]
                if kind == "status" and content["execution_state"] == "idle":
                    return outputs
                outputs.append((kind, content))
                if interrupt_at and re.search(interrupt_at, text_of((kind, content))):
                    self._kernel.interrupt_kernel()
                    interrupt_at = None
        raise AssertionError(f"the cell has not ended; so far: {outputs}")

    def end(self):
        self._client.stop_channels()
        self._kernel.shutdown_kernel(now=True)


def text_of(output):
    return output[1].get("data", {}).get("text/plain", "")


def progress(outputs):
    """What the line of progress says, one text for each time it changes; it must be one line."""
    lines = [output for output in outputs if output[0] in ("display_data", "update_display_data")]
    assert [kind for kind, _ in lines] == [
        "display_data",
        *["update_display_data"] * (len(lines) - 1),
    ]
    assert len({content["transient"]["display_id"] for _, content in lines}) == 1
    assert all("<progress " in content["data"]["text/html"] for _, content in lines)
    return [text_of(line) for line in lines]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    kernel = Notebook(tmp_path_factory.mktemp("notebook"))
    assert not [o for o in kernel.run(CELLS) if o[0] == "error"]
    yield kernel
    kernel.end()


def test_an_interrupted_cell_keeps_what_is_done_and_the_same_cell_goes_on(notebook):
    cell = 'outcome = al.run(study, store="s.db")\noutcome'
    outputs = notebook.run(cell, interrupt_at=r"^[3-5]/12 runs")
    said = progress(outputs)
    assert said[0] == f"{RUNS} runs to train in {RUNS} packs ({RUNS} model-steps); 0 stored"
    assert any(
        re.fullmatch(r"[1-5]/12 runs, .* model-steps/s, about \d+ s left", text) for text in said
    )
    done = int(re.fullmatch(r"(\d+) of 12 runs trained in .* s", said[-1])[1])
    assert 3 <= done < RUNS
    (error,) = [content for kind, content in outputs if kind == "error"]
    assert error["traceback"] == [
        f"KeyboardInterrupt: finished runs are stored; {RUNS - done} runs are pending, and the "
        "same call continues from there"
    ]

    outputs = notebook.run(cell)
    said = progress(outputs)
    left = RUNS - done
    assert (
        said[0].startswith(f"{left} runs to train in {left} packs") and f"{done} stored" in said[0]
    )
    assert said[-1].startswith(f"{left} of {left} runs trained in ")
    (result,) = [content for kind, content in outputs if kind == "execute_result"]
    assert f"{left} runs trained, {done} stored before" in result["data"]["text/html"]

    again = notebook.run(cell)
    assert not [kind for kind, _ in again if "display" in kind], "nothing to train, nothing to show"


def test_a_pack_in_flight_is_said_to_be_finished_first(notebook):
    outputs = notebook.run(
        "from allometry.engines.displays import Cell\ncell = Cell()\ncell.begin(4, 2, 1, 100)\n"
        "cell.advance(20)\ncell.draining()\ntime.sleep(0.3)\ncell.advance(20)\ncell.end()"
    )
    first, stopping, later, last = progress(outputs)
    assert first == "4 runs to train in 1 pack (100 model-steps); 2 stored"
    assert stopping == "stopping after the pack in flight; once more stops at once"
    assert later.startswith("0/4 runs, ") and later.endswith(stopping)
    assert last.startswith("0 of 4 runs trained in ")


def test_progress_is_off_where_it_is_said_to_be(notebook):
    cell = 'al.run(study, store="other.db", progress=False).in_words'
    outputs = notebook.run(cell)
    kinds = [kind for kind, _ in outputs]
    assert "execute_result" in kinds
    assert not {"display_data", "update_display_data", "stream", "error"} & {*kinds}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("draw_fit(fit).figure", "image/png"),
        ("fit", "text/html"),
        ("al.table(study, store='s.db')", "text/html"),
        ("al.compare(al.table(study, store='s.db'), {'x': 'n', 'y': 'loss'}, ['power', 'log'])[0]",
         "text/html"),
        ("al.explain(study, store='s.db')", "text/html"),
        ("study", "text/html"),
    ],
)  # fmt: skip
def test_a_value_at_the_end_of_a_cell_is_shown_as_a_picture_or_a_table(notebook, value, kind):
    """Without `%matplotlib inline`, and without a line that imports pyplot."""
    notebook.run('al.run(study, store="s.db")')
    outputs = notebook.run(FIT + value)
    errors = [content["traceback"] for kind, content in outputs if kind == "error"]
    assert not errors, "\n".join(errors[0])
    (result,) = [content for kind, content in outputs if kind == "execute_result"]
    assert kind in result["data"]
