"""The command line: `luthier tune`, `predict`, `trials`, `best`, `report`, `storage`, `repair`, `serve`."""

from .app import main as main
