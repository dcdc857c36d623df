"""Samplers: each proposes configurations; see `protocol.py` for what one is.

A sampler is imported when it is first used: together they take as long as a quarter of NumPy.
"""

from typing import TYPE_CHECKING

from ..first_use import on_first_use
from .protocol import Sampler as Sampler
from .protocol import SuggestsOne as SuggestsOne

if TYPE_CHECKING:
    from .auto import AutoSampler as AutoSampler
    from .gp import GPSampler as GPSampler
    from .grid import GridSampler as GridSampler
    from .qmc import QMCSampler as QMCSampler
    from .random import RandomSampler as RandomSampler
    from .replay import Replay as Replay
    from .tpe import TPESampler as TPESampler

_MODULES = {
    "AutoSampler": "auto",
    "GPSampler": "gp",
    "GridSampler": "grid",
    "QMCSampler": "qmc",
    "RandomSampler": "random",
    "Replay": "replay",
    "TPESampler": "tpe",
}
__all__ = ["Sampler", "SuggestsOne", *_MODULES]
__getattr__, __dir__ = on_first_use(__name__, _MODULES, others=("Sampler", "SuggestsOne"))
