"""The command line: `luthier tune`, `predict`, `trials`, `best`, `report`."""

from .app import main as main
