"""Studies in one append-only file, for clusters with a shared file system and no database."""

from .repair import Repaired as Repaired
from .repair import repair_journal as repair_journal
from .store import JournalStore as JournalStore
