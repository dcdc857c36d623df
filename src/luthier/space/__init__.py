"""Search spaces: domains, conditions, constraints, the encoding, the JSON form."""

from .domain import domain_from_json as domain_from_json
from .domain import domain_to_json as domain_to_json
from .expression import Expression as Expression
from .numeric import Choice as Choice
from .numeric import Domain as Domain
from .numeric import Float as Float
from .numeric import Int as Int
from .numeric import Ordinal as Ordinal
from .space import Space as Space
