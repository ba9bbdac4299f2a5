"""What makes a loader function a benchmark: ``@loader_gate.loading``, ``.training`` and ``.dump``."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    _Loader = TypeVar("_Loader", bound=Callable[..., Any])

#: Where a decorated function keeps its benchmarks.
_ATTRIBUTE = "loader_gate_benchmarks"


@dataclass(frozen=True)
class DeclaredBenchmark:
    """One benchmark that a loader function is declared to be.

    Attributes:
        workload: What it is measured in.
        floor: The smallest speedup allowed, or None.
        module: The name of the module that the decorator was called in, where alone it is a benchmark.
    """

    workload: str
    floor: float | None
    module: str


class _Decorator:
    """Declares a loader function a benchmark of one workload; the function stays what it is."""

    def __init__(self, workload: str) -> None:
        self._workload = workload

    @overload
    def __call__(self, loader: _Loader, /) -> _Loader: ...
    @overload
    def __call__(self, /, *, floor: float | None = None) -> Callable[[_Loader], _Loader]: ...
    def __call__(self, loader: Any = None, /, *, floor: float | None = None) -> Any:
        """Declare a loader a benchmark, or return a decorator that does so with a floor.

        Args:
            loader: Takes ``(tree, spec)`` and returns batches that end after one epoch.
            floor: The smallest speedup over the baseline that is allowed.

        Raises:
            TypeError: The loader cannot be called, or the floor is no number.
            ValueError: The floor is no number above 0, or the loader is declared so already.
        """
        name = f"loader_gate.{self._workload}"
        if loader is not None and not callable(loader):
            raise TypeError(
                f"@{name}({loader!r}): expected a loader function; a floor has a name: {name}(floor=1.2)."
            )
        if floor is not None and (isinstance(floor, bool) or not isinstance(floor, int | float)):
            raise TypeError(f"@{name}(floor={floor!r}): expected a number above 0, such as 1.2.")
        if floor is not None and not 0 < floor < math.inf:
            raise ValueError(f"@{name}(floor={floor!r}): expected a number above 0, such as 1.2.")
        module = str(sys._getframe(1).f_globals.get("__name__", ""))

        def declare(function: _Loader) -> _Loader:
            before = declared_of(function)
            if any(each.workload == self._workload for each in before):
                raise ValueError(f"@{name}: {function!r} has it already.")
            own = DeclaredBenchmark(self._workload, None if floor is None else float(floor), module)
            setattr(function, _ATTRIBUTE, (own, *before))
            return function

        return declare if loader is None else declare(loader)


loading, training, dump = map(_Decorator, ("loading", "training", "dump"))


def declared_of(function: object) -> tuple[DeclaredBenchmark, ...]:
    """Return the benchmarks that a function was declared to be, the topmost decorator's first."""
    try:
        # Not by getattr: a class would have what was said of its base, and a mock has everything.
        held = getattr(function, "__dict__", {}).get(_ATTRIBUTE, ())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # of a lazy proxy that cannot be resolved, or skips a test
        return ()
    return held if isinstance(held, tuple) else ()
