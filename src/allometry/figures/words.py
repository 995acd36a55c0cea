"""Mathematics inside plain words: "H'_TSE falls as N^-0.34" for drawings and for pages.

One notation serves docstrings, findings, labels and headings: a capital with an
index after an underscore, an exponent after a caret, Greek letters by name.
"""

import re
from html import escape

__all__ = ["to_html", "to_mathtext"]

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
EXPONENT = r"\^\{?([-\N{MINUS SIGN}]?(?:\d+(?:\.\d+)?|[A-Za-z]+(?:_[A-Za-z0-9]+)?))\}?"
LETTER = r"(?<![\w.-])(alpha|beta|gamma|delta|eta|sigma)(?![\w.-])"
MINUS = r"(?<= )-(?= )|(?<![\w.)\]-])-(?=\d)"
ENDS = r"(\[[^\[\],<>&]{1,12}), ([^\[\],<>&]{1,12}\])"
POWERED = rf"([A-Za-z)\]]|\d)?{EXPONENT}"


def to_html(text: str) -> str:
    """Escaped text with <sup> and <sub>; hostile text stays text."""
    out = escape(text)
    out = re.sub(INDEX, lambda m: f"{_prime(m[1])}<sub>{GREEK.get(m[2], m[2])}</sub>", out)
    out = re.sub(EXPONENT, lambda m: f"<sup>{_exponent(m[1])}</sup>", out)
    out = re.sub(LETTER, lambda m: GREEK[m[1]], out)
    out = re.sub(MINUS, "\N{MINUS SIGN}", out)
    return re.sub(ENDS, "\\1,\N{NO-BREAK SPACE}\\2", out)


def to_mathtext(text: str, bold: bool = False) -> str:
    """Matplotlib text; text that has dollar signs already is left alone."""
    if "$" in text:
        return text
    font = r"\mathbf" if bold else r"\mathrm"

    def index(m: re.Match[str]) -> str:
        low = r"\infty" if m[2] == "inf" else rf"{font}{{{m[2]}}}"
        base = m[1] if not bold else rf"\mathbf{{{m[1][0]}}}{m[1][1:]}"
        return rf"${base}_{{{low}}}$"

    def power(m: re.Match[str]) -> str:
        exponent = m[2].replace("\N{MINUS SIGN}", "-")
        name, _, low = exponent.lstrip("-").partition("_")
        letter = rf"\{name}" if name in GREEK else name
        below = f"_{{{low}}}" if low else ""
        raised = f"{'-' if exponent.startswith('-') else ''}{letter}{below}"
        base = rf"\mathbf{{{m[1] or ''}}}" if bold else m[1] or ""
        return rf"${base}^{{{font}{{{raised}}}}}$" if bold else rf"${base}^{{{raised}}}$"

    out = re.sub(INDEX, index, text)
    out = "".join(
        part if part.startswith("$") else re.sub(POWERED, power, part)
        for part in re.split(r"(\$[^$]*\$)", out)
    )
    return "".join(
        part if part.startswith("$") else re.sub(LETTER, lambda m: GREEK[m[1]], part)
        for part in re.split(r"(\$[^$]*\$)", out)
    )


def _prime(base: str) -> str:
    return base[0] + ("\N{PRIME}" if len(base) > 1 else "")


def _exponent(text: str) -> str:
    bare = text.lstrip("-\N{MINUS SIGN}")
    name, _, low = bare.partition("_")
    below = f"<sub>{low}</sub>" if low else ""
    return ("\N{MINUS SIGN}" if bare != text else "") + GREEK.get(name, name) + below
