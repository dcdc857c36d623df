"""The client of a service: `connect` opens a study of it, `create_study` makes one. httpx is needed only to connect."""

from .client import connect as connect
from .client import create_study as create_study
