"""Mathematics inside plain text, such as "H'_TSE falls as N^-0.34", for figures and pages.

One notation is used in docstrings, findings, labels and headings: a capital letter with an
index after an underscore, an exponent after a caret, Greek letters by name. An exponent of
several terms is in braces, S^{-alpha/(1 + alpha)}, or in parentheses, which are shown.
"""

import re
from html import escape
from typing import TYPE_CHECKING

from allometry.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawable", "literal", "make_drawable", "to_html", "to_mathtext"]

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "eta": "η",
    "sigma": "σ",
    "inf": "∞",
}
INDEX = r"(?<![\w])([A-Z](?:'|&#x27;|&#39;)?)_\{?([A-Za-z0-9]+(?:,[a-z]+)?)\}?(?![\w])"
NAME = r"([A-Za-z]+)(?:_([A-Za-z0-9]+))?"
TERM = r"(?:\d+(?:\.\d+)?|[A-Za-z]+(?:_[A-Za-z0-9]+)?)"
SIGN = r"[-\N{MINUS SIGN}]"
SUM = rf"{SIGN}?{TERM}(?: ?[-+/] ?{TERM})*"
NESTED = rf"(?:{TERM}|\({SUM}\))"
GROUP = rf"{SIGN}?{NESTED}(?: ?[-+/] ?{NESTED})*"
# Braces around an exponent are not shown; parentheses are, as in K_inf^(L+1).
EXPONENT = rf"\^(?:\{{({GROUP})\}}|(\({SUM}\)|{SIGN}?{TERM}))"
LETTER = r"(?<![\w.-])(alpha|beta|gamma|delta|eta|sigma)(?![\w.-])"
MINUS = r"(?<= )-(?= )|(?<![\w.)\]-])-(?=\d)"
ENDS = r"(\[[^\[\],<>&]{1,12}), ([^\[\],<>&]{1,12}\])"
POWERED = rf"([A-Za-z)\]]|\d)?{EXPONENT}"


def to_html(text: str) -> str:
    """The text with <sup> and <sub> for mathematics and everything else escaped."""
    out = escape(text)
    out = re.sub(INDEX, lambda m: f"{_prime(m[1])}<sub>{GREEK.get(m[2], m[2])}</sub>", out)
    out = re.sub(EXPONENT, lambda m: f"<sup>{_exponent(m[1] or m[2])}</sup>", out)
    out = _with_greek(out)
    out = re.sub(MINUS, "\N{MINUS SIGN}", out)
    return re.sub(ENDS, "\\1,\N{NO-BREAK SPACE}\\2", out)


def to_mathtext(text: str, bold: bool = False) -> str:
    """The text as Matplotlib text; mathematics between dollar signs is unchanged.

    Text with dollar signs or backslashes that Matplotlib cannot parse is drawn literally.
    """
    text = printable(text)
    if "$" in text:
        return text if _is_drawable(text) else literal(text)
    font = r"\mathbf" if bold else r"\mathrm"

    def index(m: re.Match[str]) -> str:
        low = r"\infty" if m[2] == "inf" else rf"{font}{{{m[2]}}}"
        base = m[1] if not bold else rf"\mathbf{{{m[1][0]}}}{m[1][1:]}"
        return rf"${base}_{{{low}}}$"

    def power(m: re.Match[str]) -> str:
        exponent = (m[2] or m[3]).replace("\N{MINUS SIGN}", "-")
        raised = re.sub(NAME, _mathtext_name, exponent)
        base = rf"\mathbf{{{m[1] or ''}}}" if bold else m[1] or ""
        return rf"${base}^{{{font}{{{raised}}}}}$" if bold else rf"${base}^{{{raised}}}$"

    out = re.sub(INDEX, index, text)
    out = "".join(
        part if part.startswith("$") else re.sub(POWERED, power, part)
        for part in re.split(r"(\$[^$]*\$)", out)
    )
    out = "".join(
        part if part.startswith("$") else re.sub(MINUS, "\N{MINUS SIGN}", _with_greek(part))
        for part in re.split(r"(\$[^$]*\$)", out)
    )
    return out if "\\" not in text or _is_drawable(out) else literal(text)


def literal(text: str) -> str:
    """Matplotlib text that is drawn literally, for names from data."""
    return printable(text).replace("$", r"\$")


def drawable(text: str) -> str:
    """The text if Matplotlib can draw it, else `literal`; control characters are written out."""
    text = printable(text)
    return text if _is_drawable(text) else literal(text)


def make_drawable(figure: "Figure") -> None:
    """Make every text in the figure drawable, since names from data may hold anything."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(drawable(text.get_text()))


def _is_drawable(text: str) -> bool:
    """Whether Matplotlib can parse all mathematics in the text, which it reads line by line."""
    from matplotlib.cbook import is_math_text  # imported here, as most runs draw nothing
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    try:
        for line in text.split("\n"):
            if is_math_text(line):
                parser.parse(line)
    except Exception:  # the parser raises errors of many kinds
        return False
    return True


def _with_greek(text: str) -> str:
    return re.sub(LETTER, lambda m: GREEK[m[1]], text)


def _prime(base: str) -> str:
    return base[0] + ("\N{PRIME}" if len(base) > 1 else "")


def _mathtext_name(m: re.Match[str]) -> str:
    return (rf"\{m[1]}" if m[1] in GREEK else m[1]) + (f"_{{{m[2]}}}" if m[2] else "")


def _exponent(text: str) -> str:
    def name(m: re.Match[str]) -> str:
        return GREEK.get(m[1], m[1]) + (f"<sub>{m[2]}</sub>" if m[2] else "")

    return re.sub(NAME, name, text.replace("-", "\N{MINUS SIGN}"))
