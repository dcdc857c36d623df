"""choose_executor: what the arguments of `optimize` say about where trials run."""

from __future__ import annotations

from collections.abc import Mapping

from .inline import InlineExecutor
from .protocol import Executor


def choose_executor(
    executor: Executor | str | None,
    n_jobs: int,
    trial_timeout: float | None,
    address: str | None,
    resources: Mapping[str, float] | None,
) -> Executor:
    """Return the executor of a run; see `Study.optimize`.

    Raises:
        ValueError: arguments that have no effect on this executor, or that no executor takes.
        MissingDependency: the library of the cluster is not installed.
    """
    if executor is not None and not isinstance(executor, str):
        if trial_timeout is not None:
            raise ValueError(
                "trial_timeout applies only to workers that `optimize` starts: pass n_jobs instead of executor, or "
                "construct the executor with a trial_timeout"
            )
        if n_jobs != 1:
            raise ValueError(
                f"n_jobs={n_jobs} has no effect on an executor you constructed yourself: pass n_jobs to that executor"
            )
    if (address is not None or resources is not None) and not isinstance(executor, str):
        raise ValueError("address and resources apply only to a cluster: pass executor='ray' or 'dask' too")
    if isinstance(executor, str):
        return _cluster(executor, address, None if n_jobs == 1 else n_jobs, resources, trial_timeout)
    if executor is None and (n_jobs != 1 or trial_timeout is not None):
        from .processes import ProcessExecutor

        return ProcessExecutor(n_jobs, trial_timeout)
    return executor or InlineExecutor()


def _cluster(
    name: str,
    address: str | None,
    n_jobs: int | None,
    resources: Mapping[str, float] | None,
    trial_timeout: float | None,
) -> Executor:
    if name == "ray":
        from .ray import RayExecutor

        return RayExecutor(address, n_jobs, resources, trial_timeout)
    if name == "dask":
        from .dask import DaskExecutor

        return DaskExecutor(address, n_jobs, resources, trial_timeout)
    raise ValueError(f"executor={name!r}: give 'ray', 'dask', or an Executor")
