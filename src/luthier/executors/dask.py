"""DaskExecutor: trials on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import LuthierError, missing
from ..trial import Trial
from .away import Exited
from .cluster import WorkerDied, check_arguments, each_has, listed, run_on_cluster, run_trial
from .processes import usable_cores
from .protocol import Outcome, TrialSource


class DaskExecutor:
    """Runs trials on a Dask cluster, or on worker processes of a local one that ends with the run.

    >>> from luthier.executors.dask import DaskExecutor
    >>> executor = DaskExecutor("tcp://10.0.0.1:8786", resources={"GPU": 1})
    >>> executor.address, executor.resources
    ('tcp://10.0.0.1:8786', {'GPU': 1})

    Args:
        address: of a scheduler, such as "tcp://10.0.0.1:8786"; that cluster is left running. None starts a local one.
            Objectives that start processes, as data loaders do, need workers that are not daemons: set
            `distributed.worker.daemon: false` in the configuration of that cluster.
        n_jobs: how many trials at once; None or -1 for as many as the cluster can run.
        resources: what one trial takes of the resources that workers declare (`dask worker --resources "GPU=2"`).
        trial_timeout: seconds after which the worker process of a trial is killed as stuck, with all trials that it
            runs; None for never. Its nanny starts another; a worker that has none is gone.

    Raises:
        ValueError: n_jobs is 0 or less than -1, a resource or trial_timeout is not positive.
        MissingDependency: Dask is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        n_jobs: int | None = None,
        resources: Mapping[str, float] | None = None,
        trial_timeout: float | None = None,
    ) -> None:
        check_arguments(n_jobs, trial_timeout)
        if any(not amount > 0 for amount in (resources or {}).values()):
            raise ValueError(f"resources={dict(resources or {})}: each amount must be positive")
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise missing("executor='dask' needs Dask", "dask") from error
        self.address = address
        self.n_jobs = None if n_jobs == -1 else n_jobs
        self.resources = dict(resources or {})
        self.trial_timeout = trial_timeout

    def run(self, objective: Callable[[Trial], Any], source: TrialSource) -> None:
        """Run them all; on Ctrl-C or an error, what runs is dropped and queued again.

        Raises:
            LuthierError: no scheduler answers at the address, or it went away; as `run_on_cluster`.
        """
        from distributed import Client

        local = self._local_cluster() if self.address is None else None
        try:
            try:
                client = Client(local or self.address, set_as_default=False)  # type: ignore[no-untyped-call]
            except (OSError, TimeoutError) as error:
                raise LuthierError(f"no Dask scheduler answers at {self.address}: {error}") from error
            with client:
                cluster = _Dask(client, self.resources, may_grow=local is None)
                run_on_cluster(cluster, objective, source, self.n_jobs, self.trial_timeout)
        finally:
            if local is not None:
                local.close()

    def _local_cluster(self) -> Any:
        from dask import config
        from distributed import LocalCluster

        with config.set({"distributed.worker.daemon": False}):  # a daemon may start no processes, as data loaders do
            return LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=self.n_jobs or usable_cores(),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else 8787, and a warning where that is taken
                resources=self.resources,
            )


class _Dask:
    """A Dask cluster, as the loop needs it."""

    def __init__(self, client: Any, resources: Mapping[str, float], *, may_grow: bool) -> None:
        from distributed.comm.addressing import get_address_host
        from distributed.utils import get_ip

        self._client = client
        self._resources = resources
        self.may_grow = may_grow
        scheduler = get_address_host(client.scheduler.address)
        self.host: str = get_ip(scheduler)  # type: ignore[no-untyped-call]

    def _workers(self) -> list[Mapping[str, Any]]:
        return list(self._client.scheduler_info()["workers"].values())

    def capacity(self) -> int:
        return sum(map(self._slots, self._workers()))

    def needs(self) -> str:
        have = [listed({"threads": worker["nthreads"], **worker["resources"]}) for worker in self._workers()]
        return f"it takes {listed({'threads': 1, **self._resources})}; {each_has('worker', have)}"

    def _slots(self, worker: Mapping[str, Any]) -> int:
        has = worker["resources"]
        return int(min([worker["nthreads"], *(int(has.get(name, 0) // n) for name, n in self._resources.items())]))

    def submit(self, *args: Any) -> Any:
        return self._client.submit(run_trial, *args, pure=False, retries=0, resources=dict(self._resources) or None)

    def wait(self, handles: Collection[Any], seconds: float) -> list[Any]:
        from distributed import wait

        with self._client.as_current():
            try:
                wait(list(handles), timeout=seconds, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
            except TimeoutError:
                return []
        return [handle for handle in handles if handle.done()]

    def outcome(self, handle: Any) -> Outcome | Exited | None:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            return handle.result()  # type: ignore[no-any-return]
        except KilledWorker as error:
            raise WorkerDied(f"the Dask worker died: {error}") from error
        except CancelledError as error:
            raise LuthierError(f"the Dask scheduler dropped a trial; is it still there? {error}") from error

    def kill(self, handle: Any) -> None:
        workers = self._client.scheduler_info()["workers"]
        for address, keys in self._client.processing().items():
            if handle.key in keys:
                nanny = workers.get(address, {}).get("nanny") is not None
                how = _kill_child if nanny else _kill_self
                self._client.run(how, workers=[address], nanny=nanny, on_error="ignore")

    def cancel(self, handles: Collection[Any]) -> None:
        self._client.cancel(list(handles), force=True)


def _kill_child(dask_worker: Any) -> None:
    """In a nanny, which needs no word with a worker that is stuck, and starts another."""
    if dask_worker.pid is not None:
        os.kill(dask_worker.pid, signal.SIGKILL)


def _kill_self() -> None:
    """In a worker that has no nanny."""
    os.kill(os.getpid(), signal.SIGKILL)
