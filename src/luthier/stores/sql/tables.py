"""The tables of the newest schema and the statements over them; migrations/ upgrades older files.

JSON is kept as text in the form of `codec`: no database reads it, and one form serves all of them.
"""

from __future__ import annotations

import sqlalchemy as sa

from .types import Key, LongText

VERSION_TABLE = "luthier_schema_version"

metadata = sa.MetaData()

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", Key(255), nullable=False, unique=True),
    sa.Column("directions", LongText, nullable=False),
    sa.Column("seed", LongText, nullable=False),  # JSON: a seed may have more than 64 bits
    sa.Column("space", LongText, nullable=False),
    sa.Column("attrs", LongText, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),  # grows by one with every change
    sa.Column("trials", sa.Integer, nullable=False),  # how many there are, so the number of the next
)

parameters = sa.Table(
    "parameters",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # their order
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False),
    sa.Column("name", LongText, nullable=False),
    sa.Column("domain", LongText, nullable=False),
    sa.Index("parameters_by_study", "study_id"),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("params", LongText, nullable=False),
    sa.Column("objective_values", LongText, nullable=False),  # "values" is a word of SQL
    sa.Column("constraints", LongText, nullable=False),
    sa.Column("reports", LongText, nullable=False),
    sa.Column("attrs", LongText, nullable=False),
    sa.Column("note", LongText, nullable=False, default="{}"),  # which no record has yet
    sa.Column("error", LongText, nullable=False),  # JSON: a traceback may hold what no database takes as text
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("owner", Key(255), nullable=False),
    sa.Column("token", Key(64), nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),  # the study's when this row changed last
    sa.Column("lease_ends", sa.Double),
    sa.Column("ask_client", Key(255)),  # of the `ask` that holds the trial
    sa.Column("enqueue_client", Key(255)),
    sa.Index("trials_by_revision", "study_id", "revision"),
    sa.Index("trials_by_state", "study_id", "state", "number"),
    sa.Index("trials_by_ask_client", "study_id", "ask_client", unique=True),
    sa.Index("trials_by_enqueue_client", "study_id", "enqueue_client", unique=True),
)

# -- statements, built once: building one costs more than running it

_version = sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)).scalar_subquery()
STUDY = sa.select(studies, _version.label("schema")).where(studies.c.name == sa.bindparam("name"))
LOCKED_STUDY = STUDY.with_for_update()  # the one lock; nothing on SQLite, where BEGIN IMMEDIATE holds the whole file
STUDIES = sa.select(studies).order_by(studies.c.id)
SET_STUDY = (
    studies.update()
    .where(studies.c.id == sa.bindparam("study"))
    .values(revision=sa.bindparam("new_revision"), trials=sa.bindparam("new_trials"), attrs=sa.bindparam("new_attrs"))
)
DELETE = [
    table.delete().where(column == sa.bindparam("study"))
    for table, column in ((trials, trials.c.study_id), (parameters, parameters.c.study_id), (studies, studies.c.id))
]

ADD_STUDY = studies.insert()
LAST_STUDY = sa.select(sa.func.coalesce(sa.func.max(studies.c.id), 0))

_of_study = parameters.c.study_id == sa.bindparam("study")
PARAMETERS = sa.select(parameters.c.name, parameters.c.domain).where(_of_study).order_by(parameters.c.id)
SET_PARAMETER = (
    parameters.update()
    .where(_of_study, parameters.c.name == sa.bindparam("parameter"))
    .values(domain=sa.bindparam("new_domain"))
)

ADD_PARAMETER = parameters.insert()

RECORD = (
    trials.c.number,
    trials.c.state,
    trials.c.params,
    trials.c.objective_values,
    trials.c.constraints,
    trials.c.reports,
    trials.c.attrs,
    trials.c.error,
    trials.c.created,
    trials.c.started,
    trials.c.finished,
    trials.c.owner,
    trials.c.token,
    trials.c.retries,
)
"""The columns of a TrialRecord, in the order of its fields."""

_trials = sa.select(*RECORD).where(trials.c.study_id == sa.bindparam("study"))
ALL_TRIALS = _trials.order_by(trials.c.number)
CHANGES = (  # one statement, so that no transaction is needed to see one moment
    sa.select(*RECORD, studies.c.id, studies.c.revision, _version.label("schema"))
    .select_from(
        studies.outerjoin(trials, sa.and_(trials.c.study_id == studies.c.id, trials.c.revision > sa.bindparam("since")))
    )
    .where(studies.c.name == sa.bindparam("name"))
    .order_by(trials.c.number)
)
ONE_TRIAL = _trials.where(trials.c.number == sa.bindparam("number"))
OLDEST_WAITING = _trials.where(trials.c.state == 0).order_by(trials.c.number).limit(1)
EXPIRED = _trials.where(trials.c.state == 1, trials.c.lease_ends <= sa.bindparam("now")).order_by(trials.c.number)
BY_ASK_CLIENT = _trials.where(trials.c.ask_client == sa.bindparam("client"))
_claimed, _waiting = BY_ASK_CLIENT.subquery(), OLDEST_WAITING.subquery()
BY_ASK_CLIENT_OR_WAITING = sa.union_all(
    sa.select(_claimed),
    sa.select(_waiting).where(~sa.exists(sa.select(sa.literal(1)).select_from(_claimed))),
)
"""Which of them is it can be seen by the state: who holds a trial by its client has one that does not wait."""
BY_ENQUEUE_CLIENT = _trials.where(trials.c.enqueue_client == sa.bindparam("client"))

ADD_TRIAL = trials.insert()
_one = trials.c.study_id == sa.bindparam("study"), trials.c.number == sa.bindparam("trial")
SET_TRIAL = (
    trials.update()
    .where(*_one)
    .values({column.name: sa.bindparam(f"new_{column.name}") for column in (*RECORD[1:], trials.c.revision)})
)
SET_CLAIM = trials.update().where(*_one).values(ask_client=sa.bindparam("client"), lease_ends=sa.bindparam("ends"))
SET_LEASE = trials.update().where(*_one).values(lease_ends=sa.bindparam("ends"))
