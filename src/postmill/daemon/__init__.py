"""Floor 6, the composition root: one configuration becomes listening sockets, workers, sessions and logs.

``composition`` builds a worker's service from settings, ``worker`` is one process that serves, ``parent``
starts and watches workers and swaps them for new ones on a reload, ``logs`` is where lines go.
"""
