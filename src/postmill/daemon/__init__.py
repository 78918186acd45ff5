"""Floor 6, the composition root: one configuration becomes listening sockets, workers, sessions and logs.

``composition`` builds a worker's service from settings, ``worker`` is one process that serves, ``parent``
starts and watches workers and swaps them for new ones on a reload, ``outcome`` tells what came of one,
``privileges`` and ``notify`` speak to the system, ``logs`` is where lines go.
"""
