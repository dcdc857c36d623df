"""Studies, their parameters and their trials."""

import sqlalchemy as sa
from alembic import op

from luthier.stores.sql.types import Key, LongText

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", Key(255), nullable=False, unique=True),
        sa.Column("directions", LongText, nullable=False),
        sa.Column("seed", LongText, nullable=False),
        sa.Column("space", LongText, nullable=False),
        sa.Column("attrs", LongText, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
    )
    op.create_table(
        "parameters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("name", LongText, nullable=False),
        sa.Column("domain", LongText, nullable=False),
    )
    op.create_index("parameters_by_study", "parameters", ["study_id"])
    op.create_table(
        "trials",
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("params", LongText, nullable=False),
        sa.Column("objective_values", LongText, nullable=False),
        sa.Column("constraints", LongText, nullable=False),
        sa.Column("reports", LongText, nullable=False),
        sa.Column("attrs", LongText, nullable=False),
        sa.Column("note", LongText, nullable=False),
        sa.Column("error", LongText, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("finished", sa.Double),
        sa.Column("owner", Key(255), nullable=False),
        sa.Column("token", Key(64), nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("lease_ends", sa.Double),
        sa.Column("ask_client", Key(255)),
        sa.Column("enqueue_client", Key(255)),
    )
    op.create_index("trials_by_revision", "trials", ["study_id", "revision"])
    op.create_index("trials_by_state", "trials", ["study_id", "state", "number"])
    op.create_index("trials_by_ask_client", "trials", ["study_id", "ask_client"], unique=True)
    op.create_index("trials_by_enqueue_client", "trials", ["study_id", "enqueue_client"], unique=True)
