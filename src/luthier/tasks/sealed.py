"""SealedTest: the examples that the search never sees, which come out once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import SealBroken

T = TypeVar("T")


class SealedTest(Generic[T]):
    """The test set, which comes out once, for a stated reason, and records that it was opened.

    >>> from luthier.tasks import SealedTest
    >>> sealed = SealedTest(lambda: [1.5, 2.5], count=2)
    >>> sealed
    SealedTest(2 examples, sealed)
    >>> sealed.open("final check")
    [1.5, 2.5]
    >>> sealed
    SealedTest(2 examples, opened)

    Args:
        contents: returns the test set, whatever it consists of, as `Task.score` takes it.
        count: how many examples it has.
        what: what they are called, such as "images" or "episodes".
        marker: a file that records each opening, as lines of JSON with time and reason, so that the seal holds
            across processes; None to record in this object alone.
    """

    def __init__(
        self, contents: Callable[[], T], count: int, *, what: str = "examples", marker: str | Path | None = None
    ) -> None:
        self._contents = contents
        self._count = count
        self.what = what
        self.marker = None if marker is None else Path(marker)
        self._reasons: list[str] = []

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"SealedTest({len(self)} {self.what}, {'opened' if self.is_open else 'sealed'})"

    @property
    def is_open(self) -> bool:
        """Whether it was ever opened."""
        return bool(self._reasons) or (self.marker is not None and self.marker.exists())

    def marked(self, marker: str | Path | None) -> SealedTest[T]:
        """Return the same test set, sealed, recorded in that file."""
        return SealedTest(self._contents, self._count, what=self.what, marker=marker)

    def open(self, reason: str, again: bool = False) -> T:
        """Return the test set.

        Args:
            reason: what it is opened for; recorded.
            again: open it though it was opened before. What is measured then is no longer an unbiased test.

        Raises:
            SealBroken: it was opened before, and `again` is False.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason})
        if self._reasons and not again:
            raise _broken("in this process", self._reasons[-1])
        if self.marker is not None:
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self.marker.open("a" if again else "x", encoding="utf-8") as file:  # "x": one process wins
                    file.write(line + "\n")
            except FileExistsError:
                raise _broken(f"as {self.marker} records", self.marker.read_text(encoding="utf-8").strip()) from None
        self._reasons.append(reason)
        return self._contents()


def _broken(where: str, what: str) -> SealBroken:
    return SealBroken(
        f"the sealed test set was opened already, {where} ({what}): a second look makes its result too good; "
        "pass again=True only if the first look decided nothing"
    )
