from luthier.executors import InlineExecutor
from luthier.testing.executors import ExecutorContract


class TestInline(ExecutorContract):
    at_once = 1

    def make(self):
        return InlineExecutor()
