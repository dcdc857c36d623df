"""What analysis raises."""

from __future__ import annotations

from ..errors import LuthierError


class AnalysisError(LuthierError, ValueError):
    """Says that the trials do not suffice for an explanation: too few, or all of the same value.

    >>> import luthier as lt
    >>> from luthier.analysis import AnalysisError, importance
    >>> try:
    ...     importance(lt.create_study(space={"x": lt.Float(0, 1)}).history)
    ... except AnalysisError as error:
    ...     print(error)
    the study has 0 complete trials, an explanation needs at least 5
    """
