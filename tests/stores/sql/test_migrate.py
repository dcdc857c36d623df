from __future__ import annotations

import math
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from luthier.errors import StorageError
from luthier.stores import Result, Store, StudyRecord
from luthier.stores.sql import SqlStore, database, migrate, tables
from luthier.testing.stores import DONE, HOUR, in_threads, new_study, trials
from luthier.trial import TrialState
from luthier.types import Configuration

GOLDEN = Path(__file__).parents[2] / "golden" / "store-1.db"

ADD_COLUMN = """
import sqlalchemy as sa
from alembic import op

revision = "{new}"
down_revision = "{old}"


def upgrade():
    op.add_column("trials", sa.Column("extra_{new}", sa.Integer))
    {more}
"""


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN, tmp_path / "study.db"))


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of migrations of a Luthier whose schema is one newer."""
    scripts = tmp_path / "scripts"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "SCHEMA", 2)
    add_migration(scripts, 2)
    return scripts


def add_migration(scripts: Path, new: int, more: str = "") -> None:
    text = ADD_COLUMN.format(new=new, old=new - 1, more=more)
    (scripts / "versions" / f"v{new}_more.py").write_text(text)


def facts(path: Path) -> tuple[str, set[str]]:
    connection = sqlite3.connect(path)
    version = connection.execute("SELECT version_num FROM luthier_schema_version").fetchone()[0]
    columns = {row[1] for row in connection.execute("PRAGMA table_info(trials)")}
    connection.close()
    return version, columns


def check_golden(store: Store) -> None:
    """What was put into the golden file; see `make_golden`."""
    study = store.study("golden")
    assert study.directions == ("minimize", "maximize")
    assert study.seed == 2**70
    assert study.space == {"format": 1, "parameters": {}, "require": []}
    assert list(study.parameters) == ["x", "kind"]
    assert study.attrs == {"user": {"name": "größe"}, "bound": -math.inf}
    found = trials(store, "golden")
    assert [trial.state for trial in found] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
        TrialState.WAITING,
    ]
    first = found[0]
    assert (first.values, first.constraints) == ((0.125, -3.5), (0.0, -1.0))
    assert first.params == {"x": 0.1, "n": 3, "kind": "a", "on": True, "none": None}
    assert first.reports[:2] == ((1, 0.5), (2, math.inf))
    assert math.isnan(first.reports[2][1])
    assert first.attrs == {"k": [1, 2.5]}
    assert found[1].values is None
    assert found[2].error == "Traceback\n"
    assert (found[3].owner, found[3].retries, found[4].params) == ("you", 1, {"x": 0.75})
    assert store.ask("golden", "you", "client-3b") == found[3]
    assert store.enqueue("golden", {}, {}, "client-4") == found[4]
    assert store.tell("golden", 0, first.token, Result(TrialState.COMPLETE, (0.125, -3.5), (0.0, -1.0))) == first


def make_golden(path: Path) -> None:
    """How the golden file was made; a new schema gets a new file, and the old ones stay."""
    store = SqlStore(path)
    parameters: dict[str, dict[str, Any]] = {
        "x": {"type": "float", "low": 0.0, "high": 1.0},
        "kind": {"type": "choice", "choices": ["a", "b"]},
    }
    space = {"format": 1, "parameters": {}, "require": []}
    attrs = {"user": {"name": "größe"}, "bound": -math.inf}
    store.create_study(StudyRecord("golden", ("minimize", "maximize"), 2**70, space, parameters, attrs))
    tokens = [store.ask("golden", "me", f"client-{i}").token for i in range(4)]
    params: Configuration = {"x": 0.1, "n": 3, "kind": "a", "on": True, "none": None}
    store.write("golden", 0, tokens[0], params=params, reports=[(1, 0.5), (2, math.inf), (3, math.nan)])
    result = Result(TrialState.COMPLETE, (0.125, -3.5), (0.0, -1.0))
    store.tell("golden", 0, tokens[0], result, attrs={"k": [1, 2.5]})
    store.tell("golden", 1, tokens[1], Result(TrialState.PRUNED))
    store.tell("golden", 2, tokens[2], Result(TrialState.FAIL, error="Traceback\n"))
    store.requeue("golden", 3, tokens[3])
    store.ask("golden", "you", "client-3b", HOUR)
    store.enqueue("golden", {"x": 0.75}, {}, "client-4")
    store.close()


def test_golden_file_of_schema_1_loads(golden: Path) -> None:
    store = SqlStore(golden)
    check_golden(store)
    store.close()
    assert facts(golden)[0] == str(migrate.SCHEMA)


def test_file_made_today_is_like_the_golden_one(tmp_path: Path) -> None:
    make_golden(tmp_path / "study.db")
    store = SqlStore(tmp_path / "study.db")
    check_golden(store)
    store.close()


def test_migrations_lead_to_the_tables_of_the_code(tmp_path: Path) -> None:
    SqlStore(tmp_path / "study.db").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'study.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_last_migration_is_the_schema() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == str(migrate.SCHEMA)


def test_new_file_is_made_at_the_newest_schema_without_a_backup(tmp_path: Path, newer: Path) -> None:
    SqlStore(tmp_path / "study.db").close()
    version, columns = facts(tmp_path / "study.db")
    assert version == "2"
    assert "extra_2" in columns
    assert not list(tmp_path.glob("*.backup-*"))


def test_older_file_is_backed_up_and_upgraded(golden: Path, newer: Path) -> None:
    store = SqlStore(golden)
    check_golden(store)
    store.close()
    version, columns = facts(golden)
    assert version == "2"
    assert "extra_2" in columns
    backup = golden.with_name("study.db.backup-1")
    version, columns = facts(backup)
    assert version == "1"
    assert "extra_2" not in columns
    assert [path.name for path in golden.parent.glob("study.db.*")] == ["study.db.backup-1"]


def test_copy_lasts_before_the_file_is_touched(golden: Path, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really, synced = migrate._run_migrations, []
    monkeypatch.setattr(database, "sync_folder", lambda path: synced.append((path.name, path.exists())))

    def noting(*args: Any) -> None:
        assert synced == [("study.db.backup-1", True)]
        really(*args)

    monkeypatch.setattr(migrate, "_run_migrations", noting)
    SqlStore(golden).close()
    assert facts(golden)[0] == "2"


def test_process_that_dies_before_the_upgrade_is_committed(
    golden: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (child := os.fork()) == 0:
        really = migrate._run_migrations

        def dying(*args: Any) -> None:
            really(*args)
            os._exit(77)

        migrate._run_migrations = dying
        SqlStore(golden)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77
    assert facts(golden.with_name("study.db.backup-1"))[0] == "1"
    assert facts(golden)[0] == "1"
    store = SqlStore(golden)
    check_golden(store)
    store.close()
    assert facts(golden)[0] == "2"


def test_several_steps_at_once(golden: Path, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_migration(newer, 3)
    monkeypatch.setattr(migrate, "SCHEMA", 3)
    store = SqlStore(golden)
    check_golden(store)
    store.close()
    version, columns = facts(golden)
    assert version == "3"
    assert {"extra_2", "extra_3"} <= columns


def test_upgrade_that_fails_leaves_the_file_as_it_was(golden: Path, newer: Path) -> None:
    add_migration(newer, 2, more='op.execute("SELECT * FROM no_such_table")')
    with pytest.raises(StorageError, match=r"study\.db failed: no such table"):
        SqlStore(golden)
    version, columns = facts(golden)
    assert version == "1"
    assert "extra_2" not in columns
    add_migration(newer, 2)
    store = SqlStore(golden)
    check_golden(store)
    store.close()


def test_no_upgrade_without_a_backup(golden: Path, newer: Path) -> None:
    golden.with_name("study.db.backup-1").mkdir()
    with pytest.raises(StorageError, match=r"cannot be copied to .*study\.db\.backup-1, so it was left unchanged"):
        SqlStore(golden)
    assert facts(golden)[0] == "1"


def test_schema_that_the_migrations_do_not_know(golden: Path, newer: Path) -> None:
    connection = sqlite3.connect(golden)
    with connection:
        connection.execute("UPDATE luthier_schema_version SET version_num = '0'")
    connection.close()
    with pytest.raises(StorageError, match=r"cannot be upgraded to schema 2 and was left unchanged.*'0'"):
        SqlStore(golden)


def test_threads_that_open_one_new_file_make_it_once(tmp_path: Path) -> None:
    def work(i: int) -> int:
        store = SqlStore(tmp_path / "study.db")
        new_study(store, str(i))
        number = store.ask(str(i), "me", "1").number
        store.tell(str(i), number, None, DONE)
        store.close()
        return number

    assert in_threads(4, work) == [0, 0, 0, 0]
    store = SqlStore(tmp_path / "study.db")
    assert len(store.studies()) == 4
    store.close()
