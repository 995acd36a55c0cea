"""Threads that draw take turns: Matplotlib's settings are those of the whole process."""

import threading

import matplotlib as mpl

from allometry.figures.style import paper


def test_the_style_of_one_thread_does_not_reach_a_figure_of_another():
    before, inside, entered = dict(mpl.rcParams), threading.Event(), threading.Event()
    sizes = {}

    def first():
        with paper(**{"font.size": 20.0}):
            inside.set()
            entered.wait(0.3)  # the second is not let in meanwhile
            sizes["first"] = mpl.rcParams["font.size"], entered.is_set()

    def second():
        inside.wait(5)
        with paper():
            entered.set()
            sizes["second"] = mpl.rcParams["font.size"]

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sizes == {"first": (20.0, False), "second": 8.0}
    assert dict(mpl.rcParams) == before
