"""Laws: a formula with named parameters, and what a solver needs to fit it.

A law is a frozen value. It is written either as `terms`, a sum of powers of
sizes (values, derivatives, start guesses and units then follow from the terms),
or as a plain function `value` of parameters and sizes.

Solvers see *centred* sizes: each size is divided by its geometric mean x0 and
the response by y0. A coefficient is then the contribution at the middle of the
data and does not trade off against its exponent. `uncentre` turns centred
parameters into those of raw sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError, printable

__all__ = ["Allocation", "Array", "Coordinates", "Kind", "Law", "Parameter", "Term", "Values"]

Array = NDArray[np.float64]
Values = Mapping[str, Array]
Kind = Literal["coefficient", "exponent", "floor"]


@dataclass(frozen=True)
class Parameter:
    """One named number of a law.

    Attributes:
        name: as in the paper.
        meaning: one line, with the unit in words.
        positive: whether it is positive; it is then solved and sampled on a log scale.
        bounds: limits of the search, for centred sizes; None for no limits.
        start: range of start guesses, for centred sizes; None takes them from the data.
        kind: sets how wide its interval may be for it to count as identified; None for the
            rule of `Law.kind`.
    """

    name: str
    meaning: str
    positive: bool = False
    bounds: tuple[float, float] | None = None
    start: tuple[float, float] | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Term:
    """coefficient * prod over sizes of size ** (sign * exponent).

    Attributes:
        coefficient: name of a positive parameter.
        powers: pairs (size symbol, name of the exponent).
        sign: -1 for decreasing powers, as in loss laws.
        factor: multiplies the first size before its power is taken.
    """

    coefficient: str
    powers: tuple[tuple[str, str], ...] = ()
    sign: float = -1.0
    factor: float = 1.0


@dataclass(frozen=True)
class Allocation:
    """The four numbers that determine how compute is split between N and D.

    The response is an increasing function of exp(log_a) N^-alpha + exp(log_b) D^-beta and depends
    on N and D only through this sum. The best N and D at a given compute, and the share of compute
    that any other N wastes, then have closed forms in these numbers.

    Attributes:
        log_a, alpha, log_b, beta: each (k,), for k sets of parameters.
    """

    log_a: Array
    alpha: Array
    log_b: Array
    beta: Array


@dataclass(frozen=True)
class Coordinates:
    """Quantities that the data determine better than the parameters.

    There is one coordinate under the name of each parameter. The search uses the coordinates
    unless a parameter outside `same` is held fixed. The bounds of a parameter then apply to the
    coordinate of its name.

    Attributes:
        of: parameters -> coordinates.
        parameters: coordinates -> parameters.
        value, gradient: like those of the law, but functions of the coordinates.
        same: parameters without a unit that equal their own coordinate.
    """

    of: Callable[[Values], dict[str, Array]]
    parameters: Callable[[Values], dict[str, Array]]
    value: Callable[[Values, Values], Array]
    gradient: Callable[[Values, Values], Values]
    same: tuple[str, ...] = ()


def _nothing_derived(values: Values) -> dict[str, Array]:
    return {}


def _same(values: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    return dict(values)


@dataclass(frozen=True)
class Law:
    """A functional form.

    Attributes:
        name: as users type it.
        formula: in the parameters' names.
        source: paper and equation.
        sizes: symbols of the columns it is a function of.
        labels: sizes whose values are labels, such as group numbers; they are not centred.
        uncentred: sizes that stay in raw units while the others are centred.
        response: symbol of the column it predicts.
        parameters: in the order they are shown.
        terms: the sum of powers, or empty where `value` is given.
        value: (parameters, each of shape (k, 1); sizes, each (n,)) -> (k, n).
        gradient: same arguments -> derivative with respect to each parameter, each (k, n). It
            may also hold the value, under the response's symbol, if that is computed on the
            way. Without a gradient, central differences are used.
        coordinates: what the search varies in place of the parameters, for a law whose
            parameters are so strongly correlated that a search over them does not converge.
            Needs a `gradient`.
        uncentre: (centred parameters, centre of each symbol) -> raw parameters. A law
            with a `value` and without `uncentre` is not centred.
        starts: (uniform draws (k, p), centred sizes, centred response) -> centred
            parameters (k, p). Without it, draws fill the parameters' start ranges; if a
            parameter has no start range, starts are scaled by the data.
        linear: names of the parameters in which the value is linear, for variable
            projection. Where starts are scaled by the data and no names are given, they
            are detected by evaluating the law.
        derived: raw parameters -> further quantities that get an interval.
        meanings: what each derived quantity is, in one line.
        fixed: parameters held at these raw values unless the caller frees them.
        centring: how each size is centred: geometric mean ("ratio"), mean and
            standard deviation ("affine"), or not at all ("none"). None means "ratio" for
            laws with `terms` or `uncentre`, and "none" for others.
        valid: where the law may be used, in words.
        of_sizes: symbols of sizes -> the law of these sizes alone, for a law that needs
            only some of its sizes. Without it, all sizes are needed.
        companion: a second law of the same rows, fitted if a column is mapped to its response.
        positive_sizes: whether rows with a size <= 0 are dropped; None means yes for
            "ratio" centring and no for other centring.
        allocation: raw parameters -> the four numbers that split compute between N and D, for a
            law that is an increasing function of a sum of two powers; see `Allocation`.
        per_row: whether the value at a row depends on the sizes of that row only. A law of a
            whole learning curve sets it to False.
        default_starts: number of starts of a search unless the caller gives one.
    """

    name: str
    formula: str
    source: str
    sizes: tuple[str, ...]
    response: str
    parameters: tuple[Parameter, ...]
    labels: tuple[str, ...] = ()
    uncentred: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    value: Callable[[Values, Values], Array] | None = None
    gradient: Callable[[Values, Values], Values] | None = None
    coordinates: Coordinates | None = None
    uncentre: Callable[[Values, Mapping[str, float]], dict[str, Array]] = _same
    starts: Callable[[Array, Values, Array], Array] | None = None
    linear: tuple[str, ...] = ()
    derived: Callable[[Values], dict[str, Array]] = _nothing_derived
    meanings: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    centring: Literal["ratio", "affine", "none"] | None = None
    valid: str = "all sizes positive"
    positive_sizes: bool | None = None
    allocation: Callable[[Values], Allocation] | None = None
    per_row: bool = True
    of_sizes: "Callable[[tuple[str, ...]], Law] | None" = None
    companion: "Law | None" = None
    default_starts: int = 200

    def __post_init__(self) -> None:
        invertible = bool(self.terms) or self.uncentre is not _same
        centring = self.centring or ("ratio" if invertible else "none")
        object.__setattr__(self, "centring", centring)
        if self.positive_sizes is None:
            object.__setattr__(self, "positive_sizes", centring == "ratio")
        for term in self.terms:
            exponents = [exponent for _, exponent in term.powers]
            for what, used, known in (
                ("parameter", [term.coefficient, *exponents], self.names),
                ("size", [size for size, _ in term.powers], self.sizes),
            ):
                unknown = [name for name in used if name not in known]
                if unknown:
                    raise UsageError(
                        f"law {self.name}: a term has the {what} {unknown[0]!r}, which is not one "
                        f"of the law's {what}s: {', '.join(map(str, known)) or 'it has no ' + what}"
                    )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order they are shown."""
        return tuple(p.name for p in self.parameters)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of the columns a fit maps: sizes, response, the companion's response."""
        companion = (self.companion.response,) if self.companion is not None else ()
        return (*self.sizes, self.response, *companion)

    def kind(self, name: str) -> Kind:
        """Kind of a parameter: its own `kind`, or else by its place in the terms, or its sign."""
        parameter = next(p for p in self.parameters if p.name == name)
        if parameter.kind is not None:
            return parameter.kind
        for term in self.terms:
            if name == term.coefficient:
                return "coefficient" if term.powers else "floor"
        return "coefficient" if parameter.positive and not self.terms else "exponent"

    def __repr__(self) -> str:
        return printable(f"<Law {self.name}: {self.formula}>")

    # Where a law is undefined (the logarithm of a coefficient of 0) the result is NaN or infinite.
    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def evaluate(self, values: Mapping[str, float | Array], sizes: Values) -> Array:
        """The value (k, n) for parameters (k,) or scalars and sizes (n,) or (k, n)."""
        columns = {
            name: np.atleast_1d(np.asarray(values[name], float))[:, None] for name in self.names
        }
        points = {s: np.atleast_1d(np.asarray(sizes[s], float)) for s in self.sizes}
        if self.value is not None:
            return self.value(columns, points)
        total: Array = np.zeros(())
        for term in self.terms:
            exponent = sum((columns[e] * np.log(points[s]) for s, e in term.powers), np.zeros(1))
            if term.powers:
                exponent = exponent + columns[term.powers[0][1]] * np.log(term.factor)
            total = total + columns[term.coefficient] * np.exp(term.sign * exponent)
        n = max((points[s].shape[-1] for s in self.sizes), default=1)
        return np.broadcast_to(total, (total.shape[0], n))

    def to_raw(self, values: Values, centre: Mapping[str, float]) -> dict[str, Array]:
        """Parameters of raw sizes from those of centred sizes."""
        if not self.terms:
            return self.uncentre(values, centre)
        raw = dict(values)
        for term in self.terms:
            log_c = np.log(values[term.coefficient]) + np.log(centre[self.response])
            for size, exponent in term.powers:
                log_c = log_c - term.sign * values[exponent] * np.log(centre[size])
            raw[term.coefficient] = np.exp(log_c)
        return raw
