"""What holds on every database server: no driver, wrong passwords, locks, crashes, migrations."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from luthier.errors import (
    LuthierError,
    MissingDependency,
    SchemaTooNew,
    StorageBusy,
    StorageError,
    StudyExists,
)
from luthier.stores import Proposal, Result, StudyRecord
from luthier.stores.opening import open_store
from luthier.stores.sql import SqlStore, migrate, tables
from luthier.stores.sql.locked import LockedStudy
from luthier.testing.stores import DONE, HOUR, in_threads, new_study, trials
from luthier.trial import TrialState

WORKER = """
import sys
from luthier.stores import Result
from luthier.stores.sql import SqlStore
from luthier.trial import TrialState

me = sys.argv[2]
SqlStore("sqlite:///" + sys.argv[3]).close()  # everything is imported
print("ready", flush=True)
sys.stdin.readline()
store = SqlStore(sys.argv[1])
"""


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


def refused(url: str, kind: type[LuthierError] = StorageError, timeout: float = 60) -> str:
    """The message; no part of the traceback shows a password."""
    with pytest.raises(kind) as caught:
        SqlStore(url, timeout=timeout)
    assert type(caught.value) is kind
    shown = "".join(traceback.format_exception(caught.value))
    assert "geheim" not in shown
    assert "wrong" not in shown
    return str(caught.value)


# -- opening


def test_url_with_driver_and_open_store(url: str) -> None:
    store = open_store(url, must_exist=True)
    assert isinstance(store, SqlStore)
    assert SqlStore(store.url).studies() == []
    store.close()


def test_wrong_password_is_refused_at_once_and_not_shown(url: str) -> None:
    message = refused(url.replace("geheim", "wrong"))
    assert "://luthier:***@127.0.0.1" in message
    assert "luthier" in message.rpartition("***@")[2]  # the driver's words


def test_database_that_does_not_exist(url: str) -> None:
    assert refused(url.rpartition("/")[0] + "/no_such").count("no_such") == 2  # in the URL and in the driver's words


def test_unknown_option_and_no_database(url: str) -> None:
    assert "nonsense" in refused(f"{url}?nonsense=wrong")
    assert "names no database" in refused(url.rpartition("/")[0])


def test_server_that_is_down(url: str) -> None:
    where, _, name = url.rpartition("/")
    down = f"{where.rpartition(':')[0]}:1/{name}"  # nothing listens there
    with pytest.raises(
        StorageError, match=r"\*\*\*@.* could not be reached for 0\.2 s: check that the server"
    ) as caught:
        SqlStore(down, timeout=0.2)
    assert isinstance(caught.value.__cause__, sa.exc.OperationalError)


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("postgresql://me:geheim@host/db", "psycopg", "postgres"),
        ("mysql://me:geheim@host/db", "pymysql", "mysql"),
        ("mariadb://me:geheim@host/db", "pymysql", "mysql"),
    ],
)
def test_driver_that_is_not_installed(url: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    message = refused(url, MissingDependency)
    assert f"needs {driver}: pip install" in message and f"[{extra}]" in message
    assert "me:***@host/db" in message


def test_database_of_another_program(url: str, direct: sa.Engine) -> None:
    with direct.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE songs (title TEXT)")
    assert "is a database of another program (it has songs)" in refused(url)
    assert sa.inspect(direct).get_table_names() == ["songs"]


def test_newer_schema_and_one_that_no_luthier_wrote(url: str, direct: sa.Engine) -> None:
    SqlStore(url).close()
    for version, kind, words in (
        ("99", SchemaTooNew, "upgrade Luthier"),
        ("abc", StorageError, "has the schema 'abc'"),
    ):
        with direct.begin() as connection:
            connection.execute(sa.text("UPDATE luthier_schema_version SET version_num = :v"), {"v": version})
        assert words in refused(url, kind)


def test_newer_program_that_changes_the_tables_stops_older_ones_that_run(store: SqlStore, direct: sa.Engine) -> None:
    token = store.ask(new_study(store), "me", "1").token
    with direct.begin() as connection:
        connection.execute(sa.text("UPDATE luthier_schema_version SET version_num = '99'"))
    for call in (lambda: store.changes("study", 0), lambda: store.tell("study", 0, token, DONE)):
        with pytest.raises(SchemaTooNew, match="upgrade Luthier"):
            call()


def test_migrations_lead_to_the_tables_of_the_code(store: SqlStore, direct: sa.Engine) -> None:
    with direct.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
        assert compare_metadata(context, tables.metadata) == []


def test_older_schema_is_copied_and_upgraded(
    store: SqlStore, url: str, direct: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = store.tell(new_study(store), 0, store.ask("study", "me", "1").token, DONE)
    scripts = tmp_path / "scripts"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "v2_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = '2', '1'\n"
        "def upgrade():\n    op.add_column('trials', sa.Column('extra', sa.Integer))\n"
    )
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "SCHEMA", 2)
    with direct.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE parameters_backup_1 (kept INTEGER)"
        )  # of an upgrade that was cut short
    newer = SqlStore(url)
    assert trials(newer, "study") == [told]
    newer.close()
    found = sa.inspect(direct)
    assert "extra" in {column["name"] for column in found.get_columns("trials")}
    assert "extra" not in {column["name"] for column in found.get_columns("trials_backup_1_2")}
    assert {column["name"] for column in found.get_columns("parameters_backup_1")} == {"kept"}
    with direct.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM trials_backup_1_2").scalar() == 1
        assert connection.exec_driver_sql("SELECT version_num FROM luthier_schema_version").scalar() == "2"


# -- what is kept


def test_names_differ_by_case_accents_and_spaces_at_the_end(store: SqlStore) -> None:
    names = ["a", "A", "a ", "ä", "a\u0308", "😀", "😁"]
    for name in names:
        new_study(store, name)
        store.add_parameters(name, {"x": {"low": 0}, "X": {"low": 1}, "x ": {"low": 2}})
    assert [study.name for study in store.studies()] == names
    assert all(list(study.parameters) == ["x", "X", "x "] for study in store.studies())
    with pytest.raises(StudyExists):
        new_study(store, "a ")
    assert [store.ask("a", "me", client).number for client in ("c", "C", "c ")] == [0, 1, 2]


def test_long_texts_come_back_whole(store: SqlStore) -> None:
    token = store.ask(new_study(store), "me", "1").token
    reports = tuple((step, step / 7) for step in range(20_000))
    store.tell("study", 0, token, Result(TrialState.FAIL, error="😀" * 100_000), reports=reports)
    (trial,) = trials(store, "study")
    assert trial.reports == reports
    assert trial.error == "😀" * 100_000


def test_name_that_is_too_long_is_refused_whole(store: SqlStore) -> None:
    with pytest.raises(StorageError, match=r"(?i)too long"):
        new_study(store, "x" * 256)
    assert store.studies() == []


@pytest.mark.parametrize("name", ["x\ud800", "x\0y"])
def test_text_that_no_database_takes_is_said_or_kept(store: SqlStore, name: str) -> None:
    try:
        new_study(store, name)
    except StorageError:
        assert store.studies() == []
    else:  # MariaDB keeps the character of code 0
        assert [study.name for study in store.studies()] == [name]


def test_leases_go_by_the_clock_of_the_server(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name, now = new_study(store), time.time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert abs(store.now() - now) < HOUR
    assert store.ask(name, "me", "1", HOUR).created >= now - HOUR
    monkeypatch.setattr(time, "time", lambda: now + 10 * HOUR)
    assert store.expired(name) == []


# -- locks


def test_row_locked_by_others_is_waited_for_until_the_deadline(store: SqlStore, direct: sa.Engine) -> None:
    name = new_study(store)
    hasty = SqlStore(store.url, timeout=1)
    with direct.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM studies FOR UPDATE")
        with pytest.raises(StorageBusy, match=r"stayed locked by other programs for 1 s.*timeout=") as caught:
            hasty.ask(name, "me", "1")
        assert isinstance(caught.value.__cause__, sa.exc.OperationalError)
        assert hasty.study(name).name == name  # readers need not wait
    assert hasty.ask(name, "me", "1").number == 0
    hasty.close()


def test_who_waited_for_a_lock_has_the_time_at_which_it_came(store: SqlStore) -> None:
    name, told, holds = new_study(store), store.now(), threading.Event()

    def hold(connection: sa.Connection) -> float:
        study = LockedStudy.find(connection, name, store._database)
        study.change()
        study.save(connection)
        holds.set()
        time.sleep(0.5)
        return store._database.now(connection)

    with ThreadPoolExecutor() as pool:
        until = pool.submit(store._database.write, hold)
        assert holds.wait(timeout=30)
        assert told < until.result() <= store.ask(name, "me", "1", HOUR).created


def test_deadlock_is_tried_again(store: SqlStore) -> None:
    for name in "ab":
        new_study(store, name)
    before = [store.changes(name, 0)[0] for name in "ab"]
    both_hold_one = threading.Barrier(2)
    runs = []

    def work(connection: sa.Connection, names: str) -> None:
        runs.append(names)
        LockedStudy.find(connection, names[0], store._database)
        if runs.count(names) == 1:
            both_hold_one.wait(timeout=30)
        study = LockedStudy.find(connection, names[1], store._database)
        study.change()
        study.save(connection)

    orders = ("ab", "ba")
    in_threads(2, lambda i: store._database.write(lambda connection: work(connection, orders[i])))
    assert len(runs) > 2
    assert [store.changes(name, 0)[0] - revision for name, revision in zip("ab", before, strict=True)] == [1, 1]


def test_study_made_by_two_at_once_is_made_once(store: SqlStore) -> None:
    def make(i: int) -> bool:
        try:
            new_study(store, "same")
        except StudyExists:
            return False
        return True

    for _ in range(5):
        assert sum(in_threads(4, make)) == 1
        store.delete_study("same")


# -- several processes


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Callable[[int, str], list[str]]]:
    """Runs a body in n interpreters that open the store at the same time; what each printed."""
    started: list[subprocess.Popen[str]] = []

    def start(n: int, body: str) -> list[str]:
        for i in range(n):
            command = [sys.executable, "-W", "error", "-c", WORKER + body, url, str(i), str(tmp_path / f"{i}.db")]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate()[0] for process in started]
        assert [process.returncode for process in started] == [0] * n
        return outputs

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_processes_that_open_an_empty_database_make_it_once(url: str, start: Any) -> None:
    start(2, "store.ask('study', me, me) if store.studies() else None\nstore.close()\n")
    store = SqlStore(url)
    assert store.studies() == []
    store.close()


def test_no_queued_trial_goes_to_two_processes(store: SqlStore, start: Any) -> None:
    name = new_study(store)
    for i in range(40):
        store.enqueue(name, {"x": i}, {}, str(i))
    body = """
for i in range(25):
    trial = store.ask("study", me, f"{me}-{i}", 60.0)
    store.tell("study", trial.number, trial.token, Result(TrialState.COMPLETE, (float(me),)))
    print(trial.number)
store.close()
"""
    taken = [[int(word) for word in text.split()] for text in start(2, body)]
    assert sorted(number for numbers in taken for number in numbers) == list(range(50))
    found = trials(store, name)
    assert [trial.params for trial in found] == [{"x": i} for i in range(40)] + [{}] * 10
    for i, numbers in enumerate(taken):
        assert all(found[number].owner == str(i) and found[number].values == (i,) for number in numbers)


def test_forked_process_goes_on_with_its_parents_store(store: SqlStore) -> None:
    name = new_study(store)
    child = multiprocessing.get_context("fork").Process(target=store.ask, args=(name, "child", "1"))
    child.start()
    child.join()
    assert child.exitcode == 0
    store.ask(name, "me", "2")
    assert [trial.owner for trial in trials(store, name)] == ["child", "me"]


# -- crashes


def test_server_that_crashes_loses_nothing_and_calls_go_on(store: SqlStore, server: Any) -> None:
    name = new_study(store)
    told: list[int] = []
    changed = threading.Condition()
    enough = threading.Event()

    def work(i: int) -> None:
        mine = 0
        while not enough.is_set():
            trial = store.ask(name, str(i), f"{i}-{mine}")
            store.tell(name, trial.number, trial.token, Result(TrialState.COMPLETE, (trial.number + 0.5,)))
            mine += 1
            with changed:
                told.append(trial.number)
                changed.notify_all()

    def wait_for_more() -> None:
        with changed:
            goal = len(told) + 20
            assert changed.wait_for(lambda: len(told) >= goal, timeout=60)

    def crash(_: int) -> None:
        try:
            wait_for_more()
            for _ in range(2):
                server.kill()
                server.start()
                wait_for_more()
        finally:
            enough.set()

    in_threads(3, lambda i: crash(i) if i == 2 else work(i))
    found = trials(store, name)
    assert [trial.number for trial in found] == list(range(len(found))) == sorted(told)
    assert all(trial.values == (trial.number + 0.5,) for trial in found)


def test_server_that_stays_down_is_said_and_the_store_goes_on_when_it_is_back(store: SqlStore, server: Any) -> None:
    name = new_study(store)
    hasty = SqlStore(store.url, timeout=0.3)
    hasty.ask(name, "me", "1")
    server.kill()
    try:
        with pytest.raises(StorageError, match=r"could not be reached for 0\.3 s") as caught:
            hasty.ask(name, "me", "2")
    finally:
        server.start()
    assert isinstance(caught.value.__cause__, sa.exc.OperationalError)
    assert "geheim" not in str(caught.value)
    assert hasty.ask(name, "me", "2").number == 1
    hasty.close()


@pytest.fixture
def lose_reply(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Runs a call whose first commit counts, but is answered by a connection that breaks."""

    def run(call: Callable[[], Any]) -> Any:
        dialect: Any = store._database._engine.dialect
        commit, lost = dialect.do_commit, []

        def commit_and_break(connection: Any) -> None:
            commit(connection)
            if not lost:
                lost.append(connection)
                connection.dbapi_connection.close()
                if dialect.name == "postgresql":
                    raise psycopg.OperationalError("server closed the connection unexpectedly")
                raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")

        with monkeypatch.context() as patch:
            patch.setattr(dialect, "do_commit", commit_and_break)
            result = call()
        assert lost
        return result

    return run


def test_commit_whose_reply_was_lost_counts_once(store: SqlStore, lose_reply: Any) -> None:
    lose_reply(lambda: store.create_study(StudyRecord("s", ("minimize",), 0, parameters={"x": {"low": 0}})))
    with pytest.raises(StudyExists):
        new_study(store, "s")
    queued = lose_reply(lambda: store.enqueue("s", {"x": 1}, {}, "q"))
    first = lose_reply(lambda: store.ask("s", "me", "a"))
    second = lose_reply(lambda: store.ask("s", "me", "b", proposal=Proposal(1, {"x": 2})))
    assert (queued.number, first.number, second.number) == (0, 0, 1)
    lose_reply(lambda: store.write("s", 0, first.token, reports=[(1, 0.5)], attrs={"k": 1}))
    told = lose_reply(lambda: store.tell("s", 0, first.token, DONE))
    assert (told.reports, told.attrs, told.values) == (((1, 0.5),), {"k": 1}, (1.0,))
    assert lose_reply(lambda: store.tell("s", 1, None, DONE)).state is TrialState.COMPLETE
    third, fourth = (store.ask("s", "me", str(i)) for i in range(2))
    assert lose_reply(lambda: store.requeue("s", 2, third.token))
    assert lose_reply(lambda: store.fail("s", 3, fourth.token, "died"))
    assert [trial.retries for trial in trials(store, "s")] == [0, 0, 1, 0]
    lose_reply(lambda: store.delete_study("s"))
    assert store.studies() == []


def test_connection_that_dies_unused_is_replaced_without_a_word(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dialect: Any = store._database._engine.dialect
    commit, closed = dialect.do_commit, []

    def commit_and_close(connection: Any) -> None:
        commit(connection)
        closed.append(connection)
        connection.dbapi_connection.close()

    new_study(store)
    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_close)
        for i in range(3):
            assert store.ask("study", "me", str(i)).number == i
            assert len(trials(store, "study")) == i + 1
    assert closed
    assert caplog.records == []


def test_other_troubles_of_the_pool_are_still_said(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("sqlalchemy.pool.impl.QueuePool.luthier")
    logger.error("of another kind")
    try:
        raise MemoryError
    except MemoryError:
        logger.error("Exception during reset or similar", exc_info=True)
    assert [record.message for record in caplog.records] == ["of another kind", "Exception during reset or similar"]
