"""The choice of the larger run, and the loss that each approach and law predicts for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.plan.document import Plan
from allometry.plan.question import plan as plan_runs
from allometry.studies.language_model_scaling.grid import (
    TOKENS_A_STEP,
    Shape,
    model_of,
    nearest,
    steps_of,
)
from allometry.tables.table import Table

__all__ = ["COLUMNS", "LAWS", "Forecast", "Prediction", "forecast_of", "least_losses", "plan_of"]

COLUMNS = {"N": "n_params", "D": "tokens", "C": "compute", "L": "test_loss"}
LAWS = ("chinchilla", "skaling", "kaplan")  # the first chooses the model
STAGE = "forecast"


@dataclass(frozen=True)
class Prediction:
    """The loss of the larger run by one approach and law, with the interval for a new run.

    Attributes:
        approach: ``parametric`` for a law of N and D at the run's N and D; ``isoflop`` for a power
            law of compute through the parabolas' least losses, at the run's compute.
        law: its name.
        n_opt: parameters of the best model at this compute, by the approach.
        predicted: loss in nats per token.
        low, high: ends of the 95% interval for a new run.
    """

    approach: str
    law: str
    n_opt: float
    predicted: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """The larger run and its predictions.

    Attributes:
        compute: FLOP requested.
        shape: the shape nearest to the best size by the first law.
        n_params, tokens: of the run.
    """

    compute: float
    shape: Shape
    n_params: int
    tokens: int
    predictions: tuple[Prediction, ...]

    def document(self) -> dict[str, object]:
        """JSON data, for the store."""
        rows = [asdict(prediction) for prediction in self.predictions]
        return {
            "compute": self.compute, "d_model": self.shape[0], "n_layers": self.shape[1],
            "n_params": self.n_params, "tokens": self.tokens, "predictions": rows,
        }  # fmt: skip


def plan_of(fitted: Table, compute: float) -> Plan:
    """The plan at `compute` FLOP from the runs of the byte grid, by every approach and law."""
    return plan_runs(fitted, COLUMNS, laws=LAWS, compute=compute, counting="measured")


def forecast_of(fitted: Table, compute: float) -> Forecast:
    """The forecast at `compute` FLOP from the runs of the byte grid.

    Raises:
        DataError: the runs give no plan at this compute.
    """
    plan = plan_of(fitted, compute)
    (shape,) = nearest(plan.first.n_opt.value)
    model = model_of(shape)
    n_params, tokens = model.counts().n_params, steps_of(model, compute) * TOKENS_A_STEP
    assert plan.evidence is not None
    predictions = []
    for name, believed in plan.evidence.believed.items():
        assert believed.fit is not None
        n_opt, sizes = plan.laws[name].n_opt.value, {"N": n_params, "D": tokens}
        predictions.append(_prediction("parametric", n_opt, believed.fit, sizes))
    second = plan.approaches["2"]
    if not isinstance(second, str):
        n_opt = second.n_opt.value
        predictions.append(_prediction("isoflop", n_opt, least_losses(plan), {"x": compute}))
    return Forecast(compute, shape, n_params, tokens, tuple(predictions))


def least_losses(plan: Plan) -> Fit:
    """A power law of compute, fitted to the least losses of approach 2's parabolas."""
    assert plan.evidence is not None and plan.evidence.approaches is not None
    parabolas = plan.evidence.approaches.isoflop
    assert parabolas is not None
    used = [budget for budget in parabolas.budgets if not budget.reason]
    points = {"x": [b.compute for b in used], "y": [b.vertex_loss for b in used]}
    return fit(points, "power", {"x": "x", "y": "y"}, objective="squared_log")


def _prediction(
    approach: str, n_opt: float, law_fit: Fit, sizes: Mapping[str, float]
) -> Prediction:
    at = {symbol: [value] for symbol, value in sizes.items()}
    low, high = law_fit.predict_interval(at, of="run")
    predicted = float(law_fit.predict(at)[0])
    name = law_fit.law.name
    return Prediction(approach, name, n_opt, predicted, float(low[0]), float(high[0]))
