"""The nine steps from a task to a confirmed model."""

from .narrator import Narrator as Narrator
from .outcome import Cost as Cost
from .outcome import Outcome as Outcome
from .steps import tune as tune
