"""The store in a SQL database."""

from .store import SqlStore as SqlStore
