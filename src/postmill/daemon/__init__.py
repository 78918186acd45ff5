"""Floor 6, the composition root: one configuration becomes listening sockets, workers, sessions and logs.

``composition`` builds a worker's service from settings, ``worker`` is one process that serves, ``crew`` all
of them; ``parent`` is the life of the daemon, in which they are swapped for new ones on a reload.
``control`` takes requests from outside, ``operations`` carries them out, ``asking`` is its other end,
``status`` the answer most often wanted. ``outcome`` tells what came of a SIGHUP, ``privileges`` and
``notify`` speak to the system, ``logs`` is where lines go. docs/architecture.md lists every file.
"""
