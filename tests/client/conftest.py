"""Pictures for the clients."""

from tests.server.conftest import jpegs as jpegs
