"""The campaign's modules lie here and are run as programs too: they find each other by this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
