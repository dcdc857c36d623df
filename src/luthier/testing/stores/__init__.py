"""What every store promises, as tests (pytest and hypothesis must be installed).

To run them on a store of your own, subclass in a test file:

    import pytest
    from luthier.testing.stores.machine import store_machine
    from luthier.testing.stores import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore()
            yield store
            store.close()

    TestMyStoreAgainstModel = store_machine(MyStore).TestCase

A store that keeps studies for later takes `KeptStoreContract` instead, one that several processes share at a time
`SharedStoreContract`; both define how to open it once more:

        def reopen(self, store):
            return MyStore(store.address)

Each test begins with an empty store. None sleeps, and none takes long.
"""

from .contract import KeptStoreContract as KeptStoreContract
from .contract import SharedStoreContract as SharedStoreContract
from .contract import StoreContract as StoreContract
from .tools import COMPLETE as COMPLETE
from .tools import DONE as DONE
from .tools import FAIL as FAIL
from .tools import HOUR as HOUR
from .tools import PRUNED as PRUNED
from .tools import RUNNING as RUNNING
from .tools import WAITING as WAITING
from .tools import in_threads as in_threads
from .tools import new_study as new_study
from .tools import trials as trials
