"""The service in this process, and its clients."""

from service_fixtures import *  # noqa: F403 - fixtures
