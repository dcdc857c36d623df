"""Luthier tunes the hyperparameters of neural networks.

`import luthier as lt` is the way in: `lt.create_study`, `lt.Float`, `lt.Int`, `lt.Choice`, `lt.Ordinal`.
`lt.connect` opens a study of a service (`luthier serve`).
Samplers are in `luthier.samplers`, pruners in `luthier.schedulers`, stores in `luthier.stores`.
"""

from ._version import __version__ as __version__
from .errors import LuthierError as LuthierError
from .errors import TrialPruned as TrialPruned
from .live import Trial as Trial
from .log import set_verbosity as set_verbosity
from .space import Choice as Choice
from .space import Float as Float
from .space import Int as Int
from .space import Ordinal as Ordinal
from .space import Space as Space
from .study import Study as Study
from .study import create_study as create_study
from .study import load_study as load_study
from .trial import TrialRecord as TrialRecord
from .trial import TrialState as TrialState
from .web.client import connect as connect
