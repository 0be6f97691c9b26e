"""The key `output`: a map of a method and its options, how much of the output it chooses, and the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lshexp import registry
from lshexp.errors import ConfigError, Problem
from lshexp.methods.base import Method
from lshexp.spec import OUTPUT, UNIFORM, RunSpec
from lshexp.validation import validate

# Keys of the map that are no options of the method, and the fields of a run that they set.
SETTINGS: Mapping[str, str] = {
    name.removeprefix("output_"): name for name in OUTPUT if name != "output_options"
}
DESCRIPTION = (
    "which classes the output computes in training; dense, or a map of method, active_pct, tail_pct, tail, "
    "correction, loss and the method's options, as in {method: lsh, active_pct: 5, K: 6}; tail_pct left out: "
    "half of active_pct for a method that looks classes up, 0 for one that draws them"
)


def output_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a run that a map stands for, all options of the method among them.

    Raises ConfigError with places inside the map.
    """
    if "method" not in given:
        message = "'method' is missing: which way of choosing classes are these options for?"
        raise ConfigError([Problem((), message)])
    name = registry.methods.lookup(given["method"], ("method",)).name
    own = {SETTINGS[key]: value for key, value in given.items() if key in SETTINGS}
    try:
        checked = validate(RunSpec, own)
    except ConfigError as error:
        places = {field: key for key, field in SETTINGS.items()}
        at = [Problem(tuple(places.get(str(p), p) for p in one.where), one.message) for one in error.problems]
        raise ConfigError(at) from None
    method = registry.methods.build(name, {key: v for key, v in given.items() if key not in SETTINGS})
    if not method.uses_active_pct:  # what is computed, so that runs asked for twice are seen to be one
        return {"output_method": name, "output_options": method.recorded(), "loss": checked.loss}
    if "active_pct" not in given:
        raise ConfigError([Problem((), f"method '{name}' needs 'active_pct', and none is given")])
    tail_pct = checked.tail_pct if "tail_pct" in given else _tail_pct(checked, method)
    return {
        **{field: getattr(checked, field) for field in SETTINGS.values()},
        "tail_pct": tail_pct,
        "tail": checked.tail if tail_pct else UNIFORM,
        "output_options": method.recorded(),
    }


def _tail_pct(spec: RunSpec, method: Method) -> float:
    """Half of what is looked up, where scores are corrected; methods that draw need no tail."""
    return 0.0 if method.draws or spec.correction == "none" else spec.output_active_pct / 2
