"""Search spaces: domains, conditions, constraints, the encoding, the JSON form."""

from .domain import Domain as Domain
from .domain import domain_from_json as domain_from_json
from .domain import domain_to_json as domain_to_json
from .expression import Expression as Expression
from .labelled import Choice as Choice
from .labelled import Ordinal as Ordinal
from .numeric import Float as Float
from .numeric import Int as Int
from .space import Space as Space
