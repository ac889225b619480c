"""``esm run`` without its command line: functions against queues in real time, until somebody ends it.

flags.py       what the options say of a function, its queue and its mapping, put over a file's resources
outside.py     queues off this process: leave to use them, how full they are, when they are idle
surroundings.py  which variables a handler gets: those of the embedded AWS, or the user's own
watch.py       what happened so far, for whoever looks from another thread; the event log
reload.py      a changed file: the code is loaded anew
exposition.py  the metrics over HTTP
service.py     all of it together: start, run, drain
"""

from __future__ import annotations

__all__: list[str] = []
