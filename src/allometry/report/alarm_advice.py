"""What to do about each alarm of a plan, and their order of severity."""

from collections.abc import Sequence
from typing import NamedTuple

from allometry.plan.alarm import Alarm

__all__ = ["ADVICE", "AlarmRow", "alarm_rows"]

# Alarm code to advice, the most severe alarm first.
ADVICE = {
    "less_than_one": (
        "Give N and D of the runs in units (not millions) and the compute in FLOP; a column in "
        "millions can be mapped as N=params_m*1e6."
    ),
    "unusual_ratio": (
        "Check the columns of N and D: which is which, and whether both are in units. Runs that "
        "are not language models may well have such a D/N."
    ),
    "compute_column": (
        "Use `--flops measured`, or give a compute counted by the convention of the plan."
    ),
    "one_ratio": (
        "Train runs whose D/N is at least four times larger and smaller. Until then these runs "
        "determine the loss only along one ratio, and the law alone determines the split of "
        "compute."
    ),
    "no_best_size": (
        "Plan by the other laws, or drop this one: within any sensible range its loss falls only "
        "with N or only with D."
    ),
    "few_ratios": (
        "Add runs at another D/N; `allometry next` says which tell most for their cost."
    ),
    "wide_interval": (
        "Do not rely on the value alone: any size in the interval is compatible with these runs. "
        "Make the runs that `allometry next` names for ln_n_opt, then plan again."
    ),
    "fit_status": "Follow the advice of the fit, shown with its certificate under Fits.",
    "at_bound": (
        "Look at the parameter under Fits: a law with fewer parameters, or runs over a wider "
        "range, may be needed."
    ),
    "laws_disagree": (
        "Compare the weights of the laws, and make a run where their forecasts differ most, before "
        "the whole budget is spent."
    ),
    "approaches_disagree": (
        "Read what each approach assumes, drop those whose assumption these runs break, and choose "
        "a size that wastes little under the others."
    ),
    "far_extrapolation": (
        "Make one run at a compute in between, and compare it with the forecast, before the whole "
        "budget is spent."
    ),
    "published_conflict": (
        "Trust the fit to these runs over published coefficients; first check that N and FLOP are "
        "counted as in the publication."
    ),
    "counting": (
        "Decide which parameters N counts and which FLOP C counts, count every run in this way, "
        "and read the plan's N in that count."
    ),
    "tokenizers": (
        "Map a loss per byte, or fit the runs of each tokenizer separately with --filter."
    ),
    "budgets_left_out": (
        "Add sizes on both sides of the best one at those budgets, or take approach 3."
    ),
    "ratio_outside_data": (
        "Make a small run at the planned D/N, and compare it with the forecast."
    ),
    "rounded_coefficients": "Use the unrounded coefficients, or the fit document of the law.",
    "no_interval": "Fit the law to the runs its values come from, and plan from that fit.",
    "approach2_bias": (
        "Use the corrected number; a narrower range of N around the best size reduces the bias."
    ),
}
NO_ADVICE = "See this code in the documentation of alarms."
LEAST = "ratio_outside_data"  # an alarm with an unknown code ranks as this one


class AlarmRow(NamedTuple):
    """An alarm and what to do about it."""

    code: str
    message: str
    advice: str


def alarm_rows(alarms: Sequence[Alarm]) -> list[AlarmRow]:
    """Alarms with advice, the most severe first."""
    order = {code: place for place, code in enumerate(ADVICE)}
    rows = [AlarmRow(a.code, a.message, ADVICE.get(a.code, NO_ADVICE)) for a in alarms]
    return sorted(rows, key=lambda row: order.get(row.code, order[LEAST]))
