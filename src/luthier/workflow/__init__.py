"""The nine steps from a task to a confirmed model.

They are imported when they are first used, so that the command line starts quickly.
"""

from typing import TYPE_CHECKING

from ..first_use import on_first_use
from .narrator import Narrator as Narrator

if TYPE_CHECKING:
    from .outcome import Cost as Cost
    from .outcome import Outcome as Outcome
    from .steps import tune as tune

_MODULES = {"Cost": "outcome", "Outcome": "outcome", "tune": "steps"}
__all__ = ["Narrator", *_MODULES]
__getattr__, __dir__ = on_first_use(__name__, _MODULES, others=("Narrator",))
