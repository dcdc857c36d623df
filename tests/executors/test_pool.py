"""What an objective may do in a worker that it may do in its own script; real scripts."""

import subprocess
import sys

import pytest

HELPERS = """
import concurrent.futures, multiprocessing, pickle, subprocess, sys

def helper(x):
    return 2 * x

def put(queue, x):
    queue.put(Answer(helper(x)))

def keep(x):
    global kept
    kept = x

def look(x):
    return kept + x

class Answer:
    def __init__(self, value):
        self.value = value

class Data:
    def __len__(self):
        return 4
    def __getitem__(self, i):
        return float(i)

def process(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=put, args=(queue, 3))
    child.start()
    answer = queue.get(timeout=120)
    child.join()
    assert type(answer) is Answer
    return answer.value

def pool(method):
    with multiprocessing.get_context(method).Pool(1, keep, (4,)) as pool:
        return pool.map_async(look, [2]).get(timeout=120)[0]

def futures(method):
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        return pool.submit(helper, 3).result(timeout=120)

def loader(method):
    from torch.utils.data import DataLoader
    persistent = method is not None
    batches = DataLoader(Data(), num_workers=1, multiprocessing_context=method, persistent_workers=persistent)
    return float(sum(float(batch.sum()) for batch in batches))

def joblib(_):
    import joblib
    return sum(joblib.Parallel(n_jobs=2)(joblib.delayed(helper)(i) for i in range(3)))

def program(_):
    return float(subprocess.run([sys.executable, "-c", "print(6)"], stdout=subprocess.PIPE, check=True).stdout)

def by_name(_):
    assert pickle.loads(pickle.dumps(Answer)) is Answer
    return pickle.loads(pickle.dumps(Answer(6))).value

WAYS = [process, pool, futures, loader, joblib, program, by_name]
METHODS = [None, "fork", "spawn", "forkserver"]

def run(trial):
    return {way.__name__: way for way in WAYS}[trial.params["way"]](trial.params["method"])
"""

MAIN = """
import luthier as lt

{objective}

def main():
    multiprocessing.set_start_method({method!r})
    study = lt.create_study(space={{"way": lt.Choice({ways!r}), "method": lt.Choice({methods!r})}})
    for way in {ways!r}:
        for method in {methods!r}:
            study.enqueue_trial({{"way": way, "method": method}})
    study.optimize({call}, n_trials={n}, n_jobs=2, catch=Exception, max_retries=0, trial_timeout=300)
    for t in study.trials:
        print(dict(t.params), t.value, (t.error or "").strip().splitlines()[-1:])

if __name__ == "__main__":
    main()
"""
OBJECTIVES = {
    "script": (HELPERS, "run"),
    "module": ("import multiprocessing, helpers", "helpers.run"),
    "closure": (HELPERS, "(lambda f: lambda trial: f(trial))(run)"),
}


def run_script(folder, *, where="script", method=None, ways, methods):
    objective, call = OBJECTIVES[where]
    n = len(ways) * len(methods)
    text = MAIN.format(objective=objective, call=call, method=method, ways=ways, methods=methods, n=n)
    (folder / "helpers.py").write_text(HELPERS)
    (folder / "script.py").write_text(text)
    done = subprocess.run([sys.executable, folder / "script.py"], capture_output=True, text=True, timeout=600)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == n, done.stdout + done.stderr
    assert all(line.endswith(" 6.0 []") for line in lines), done.stdout + done.stderr


METHODS = [None, "fork", "spawn", "forkserver"]


@pytest.mark.parametrize("where", OBJECTIVES)
def test_an_objective_may_start_processes_in_every_way(tmp_path, where):
    methods = METHODS if where == "script" else [None, "spawn"]
    run_script(tmp_path, where=where, ways=["process", "pool", "futures"], methods=methods)


def test_an_objective_may_use_data_loaders_and_joblib(tmp_path):
    run_script(tmp_path, ways=["loader"], methods=[None, "spawn"])
    run_script(tmp_path, ways=["joblib", "program", "by_name"], methods=[None])


def test_the_start_method_of_the_program_is_that_of_its_workers(tmp_path):
    run_script(tmp_path, where="module", method="spawn", ways=["process", "pool"], methods=[None])


UNGUARDED = """
import multiprocessing
import luthier as lt

def objective(trial):
    child = multiprocessing.get_context("spawn").Process(target=print, args=("from the child",))
    child.start()
    child.join()
    return float(child.exitcode)

study = lt.create_study(seed=0)
study.optimize(objective, n_trials=1, n_jobs={n_jobs})
print("value", study.best_value)
"""


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_script_without_a_guard_is_told_so_by_the_child_that_imports_it(tmp_path, n_jobs):
    (tmp_path / "script.py").write_text(UNGUARDED.format(n_jobs=n_jobs))
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and done.stdout == "value 1.0\n"
    assert done.stderr.count('put the call under `if __name__ == "__main__":`') == 1, done.stderr
