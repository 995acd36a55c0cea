"""What a data set is to the rest of the package."""

from typing import Any, Self

from allometry.datasets.checks import checked
from allometry.datasets.one_copy import one_copy
from allometry.datasets.options import Options
from allometry.datasets.split import Split
from allometry.errors import UsageError, lacking
from allometry.spec import texts
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Data"]


class Data(Options):
    """A data set and the part of it trained on.

    Your own data set is a subclass with fields, `n_data` and `load`. The options are fields of
    every data set (see `Options`): subset, label_noise, target_noise, standardise,
    standardise_targets, validation.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for name, option in Options.model_fields.items():
            if cls.model_fields[name].annotation != option.annotation:
                raise UsageError(
                    f"{cls.__name__}: {name} is an option of every data set; give the field "
                    "another name"
                )

    @property
    def n_data(self) -> int:
        """Training examples that `load` gives."""
        raise lacking(self, "n_data")

    @property
    def n_used(self) -> int:
        """Distinct training examples, D, after the options.

        Raises:
            UsageError: for a validation split or a subset that `n_data` does not allow.
        """
        return self.n_left(self.n_data)

    @property
    def kinds(self) -> tuple[object, ...]:
        """Values that decide the kind of the targets and whether there is a validation set.

        Only runs whose data agree in them share a program. By default, for a user-defined class,
        they are its fields that are not numbers, as numbers are taken for sizes.
        """
        if type(self).__module__.startswith("allometry."):
            return ()
        fields = {name: value for name, value in self if name not in Options.model_fields}
        numbers = (name for name, v in fields.items() if type(v) in (int, float))
        return tuple((fields | dict.fromkeys(numbers)).items())

    def load(self, draws: TorchDraws) -> Split:
        """The examples before the options.

        A random subset uses the first draws of the run's stream. Everything else that depends on
        the seed draws from a generator made from `draws.seed`, so that a run has the same start
        values as on other data.
        """
        raise lacking(self, "load")

    def prepare(self, draws: TorchDraws) -> Split:
        """The examples that a run trains and is tested on: loaded, checked, the options applied.

        The arrays are read-only. Those that do not depend on the seed are the same arrays in
        every call, as long as they are in use.

        Raises:
            UsageError: saying what is wrong with the examples, or which option does not fit.
        """
        split = checked(self.load(draws), self.n_data, type(self).__name__)
        off = {name: option.default for name, option in Options.model_fields.items()}
        plain = self.model_copy(update=off)
        return one_copy((type(self), *texts([plain])), self.applied(split, draws.seed))

    def with_options(self, **options: object) -> Self:
        """A copy with other options or fields, validated like a new value."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_validate({**fields, **options})
