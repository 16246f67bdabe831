"""REST of the exchange as a pure function: a request in, a response out (rest A, B; wire A7 to A9).

No socket, no clock, no task: time comes in as `now`. `Rest` keeps what a client has used up.
"""

from mockex.rest.answering import Rest
from mockex.rest.messages import Request, Response

__all__ = ["Request", "Response", "Rest"]
