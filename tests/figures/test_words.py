"""One plain notation becomes mathematics on pages and in drawings, and nothing else does."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from allometry.figures.words import to_html, to_mathtext


@pytest.mark.parametrize(
    ("plain", "html", "drawn"),
    [
        ("H'_TSE falls", "H′<sub>TSE</sub> falls", r"$H'_{\mathrm{TSE}}$ falls"),
        ("as N^-0.34.", "as N<sup>−0.34</sup>.", "as $N^{-0.34}$."),
        ("R^2 of L_inf", "R<sup>2</sup> of L<sub>∞</sub>", r"$R^{2}$ of $L_{\infty}$"),
        ("A x^-alpha", "A x<sup>−α</sup>", r"A $x^{-\alpha}$"),
        ("alpha = -1.5", "α = −1.5", "α = −1.5"),
        ("test_loss of n_params", "test_loss of n_params", "test_loss of n_params"),
        ("a < b & c", "a &lt; b &amp; c", "a < b & c"),
        ("0.3 [-0.4, 0.5]", "0.3 [−0.4,\N{NO-BREAK SPACE}0.5]", "0.3 [−0.4, 0.5]"),
        ("10-20 runs, 1e-05", "10-20 runs, 1e-05", "10-20 runs, 1e-05"),
        ("$x_1$ stays", "$x_1$ stays", "$x_1$ stays"),
        ("K_inf^(L+1)", "K<sub>∞</sub><sup>(L+1)</sup>", r"$K_{\infty}$$^{(L+1)}$"),
        ("S^{-alpha/(1 + alpha)},", "S<sup>−α/(1 + α)</sup>,", r"$S^{-\alpha/(1 + \alpha)}$,"),
        ("(1 + 5/M)^(L-d)", "(1 + 5/M)<sup>(L−d)</sup>", "(1 + 5/M$)^{(L-d)}$"),
        ("2^(so), x^ (no)", "2<sup>(so)</sup>, x^ (no)", "$2^{(so)}$, x^ (no)"),
        ("L^alpha_L", "L<sup>α<sub>L</sub></sup>", r"$L^{\alpha_{L}}$"),
    ],
)
def test_notation(plain, html, drawn):
    assert to_html(plain) == html
    assert to_mathtext(plain) == drawn


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add((tag, len(attrs)))


@given(st.text(alphabet=st.sampled_from("<>\"'&/_^{}()+HTx-0.5 script=onload"), max_size=40))
def test_no_text_becomes_other_markup(text):
    tags = Tags()
    tags.feed(to_html(text))
    assert tags.seen <= {("sup", 0), ("sub", 0)}


@given(st.text(alphabet=st.sampled_from("HNLx'_^-0.35{}()+/ ,abT"), max_size=30), st.booleans())
def test_drawn_words_are_always_drawable(text, bold):
    MathTextParser("path").parse(to_mathtext(text, bold))


def test_minus_signs_of_numbers_in_figures_are_such():
    text = to_mathtext("K_inf alone -0.027, x-y and 2001-2")
    assert text == r"$K_{\infty}$ alone −0.027, x-y and 2001-2"
