"""RayExecutor: trials on the nodes of a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import LuthierError, missing
from ..trial import Trial
from .away import Exited
from .cluster import WorkerDied, check_arguments, each_has, listed, run_on_cluster, run_trial
from .processes import usable_cores
from .protocol import Outcome, TrialSource

_OPTIONS = ("num_cpus", "num_gpus", "memory")  # of `ray.remote`; other resources are the cluster's own
_CANCEL_SECONDS = 10.0


class RayExecutor:
    """Runs trials on a Ray cluster, or on a local one that ends with the run.

    >>> from luthier.executors.ray import RayExecutor
    >>> executor = RayExecutor("auto", resources={"num_cpus": 4, "num_gpus": 1})
    >>> executor.address, executor.resources
    ('auto', {'num_cpus': 4, 'num_gpus': 1})

    Where this process is connected to Ray already, that connection is used, and kept.

    Args:
        address: of a cluster, such as "auto", "10.0.0.1:6379" or "ray://10.0.0.1:10001"; it is left running. None
            starts a local one.
        n_jobs: how many trials at once; None or -1 for as many as the cluster can run.
        resources: what one trial takes: "num_cpus" (default 1), "num_gpus" (0), "memory" (bytes), and custom
            resources of the cluster by name.
        trial_timeout: seconds after which the worker of a trial is killed as stuck; None for never.

    Raises:
        ValueError: n_jobs is 0 or less than -1, a resource is negative, or trial_timeout is not positive.
        MissingDependency: Ray is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        n_jobs: int | None = None,
        resources: Mapping[str, float] | None = None,
        trial_timeout: float | None = None,
    ) -> None:
        check_arguments(n_jobs, trial_timeout)
        if any(not amount >= 0 for amount in (resources or {}).values()):
            raise ValueError(f"resources={dict(resources or {})}: no amount may be negative")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported or started
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming default; unset, Ray warns
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise missing("executor='ray' needs Ray", "ray") from error
        self.address = address
        self.n_jobs = None if n_jobs == -1 else n_jobs
        self.resources = {"num_cpus": 1, **(resources or {})}
        self.trial_timeout = trial_timeout

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all; on Ctrl-C or an error, what runs is killed and queued again.

        Raises:
            LuthierError: no cluster answers at the address; as `run_on_cluster`.
        """
        import ray

        ours = not ray.is_initialized()
        try:
            if ours:
                self._connect()
            cluster = _Ray(self.resources, may_grow=not ours or self.address is not None)
            run_on_cluster(cluster, objective, source, self.n_jobs, self.trial_timeout)
        finally:
            if ours:
                ray.shutdown()  # a cluster that was there before only loses this connection

    def _connect(self) -> None:
        import ray

        options: dict[str, Any] = {"logging_level": logging.WARNING}
        if self.address is None:
            cpus = (self.n_jobs or 1) * self.resources["num_cpus"]
            options |= {"num_cpus": max(usable_cores(), -int(-cpus // 1)), "include_dashboard": False}
        try:
            ray.init(self.address or "local", **options)
        except (ConnectionError, ValueError) as error:
            raise LuthierError(f"no Ray cluster answers at {self.address}: {error}") from error


class _Ray:
    """A Ray cluster, as the loop needs it."""

    def __init__(self, resources: Mapping[str, float], *, may_grow: bool) -> None:
        import ray

        self.may_grow = may_grow

        named = {name: amount for name, amount in resources.items() if name not in _OPTIONS}
        options = {name: resources[name] for name in _OPTIONS if name in resources}
        self._needs = {{"num_cpus": "CPU", "num_gpus": "GPU"}.get(name, name): n for name, n in resources.items() if n}
        self._start = ray.remote(run_trial).options(**options, resources=named, max_retries=0)
        self.host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]

    def _nodes(self) -> list[Mapping[str, float]]:
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]

    def capacity(self) -> int:
        return sum(
            min((int(has.get(name, 0) // n) for name, n in self._needs.items()), default=1) for has in self._nodes()
        )

    def needs(self) -> str:
        hidden = ("node:", "object_store_memory", "memory")  # which Ray adds by itself
        have = [
            listed({k: node[k] for k in sorted(node) if k in self._needs or not k.startswith(hidden)})
            for node in self._nodes()
        ]
        return f"it takes {listed(self._needs)}; {each_has('node', have)}"

    def submit(self, *args: Any) -> Any:
        return self._start.remote(*args)

    def wait(self, handles: Collection[Any], seconds: float) -> list[Any]:
        import ray

        ended, _ = ray.wait(list(handles), num_returns=1, timeout=seconds, fetch_local=False)
        return ended

    def outcome(self, handle: Any) -> Outcome | Exited | None:
        import ray
        from ray import exceptions

        try:
            return ray.get(handle)  # type: ignore[no-any-return]
        except (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.LocalRayletDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
            exceptions.TaskCancelledError,
        ) as error:
            raise WorkerDied(f"the Ray worker died: {type(error).__name__}: {error}") from error
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LuthierError):  # says itself what was wrong
                raise error.cause from error
            raise

    def kill(self, handle: Any) -> None:
        import ray

        ray.cancel(handle, force=True)

    def cancel(self, handles: Collection[Any]) -> None:
        import ray

        for handle in handles:
            ray.cancel(handle, force=True)
        if handles:
            ray.wait(list(handles), num_returns=len(handles), timeout=_CANCEL_SECONDS, fetch_local=False)
