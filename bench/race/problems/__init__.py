"""The problems of the race: tables and surrogates of real trainings, and analytic functions with known traps."""

from .catalogue import NAMES as NAMES
from .catalogue import load as load
from .catalogue import select as select
from .problem import MissingData as MissingData
from .problem import Problem as Problem
from .problem import data_folder as data_folder
