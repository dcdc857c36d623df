"""Stores: where studies and trials live; see `protocol.py` for what each promises."""

from .memory import MemoryStore as MemoryStore
from .opening import open_store as open_store
from .protocol import Proposal as Proposal
from .protocol import Result as Result
from .protocol import Store as Store
from .protocol import StudyRecord as StudyRecord
