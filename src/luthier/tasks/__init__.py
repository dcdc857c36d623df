"""Whole tasks, ready to tune: data, space and training together."""

from .about import read_about as read_about
from .about import write_about as write_about
from .sealed import SealedTest as SealedTest
from .task import Description as Description
from .task import Task as Task
from .task import Trained as Trained
