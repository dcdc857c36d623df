"""Search spaces: domains, conditions, constraints, the encoding, the JSON form."""

from .domain_json import domain_from_json as domain_from_json
from .domain_json import domain_to_json as domain_to_json
from .domains import Choice as Choice
from .domains import Domain as Domain
from .domains import Float as Float
from .domains import Int as Int
from .domains import Ordinal as Ordinal
from .expression import Expression as Expression
from .space import Space as Space
