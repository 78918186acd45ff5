"""Floor 5, the only room with sockets and the event loop: it carries out what the brain commands.

``poller`` is the event loop and watches sockets, ``stream`` is one of them, ``children`` are the configured
filters and their links (``link``), ``pool`` keeps links for other sessions once ``probe`` has found that a
child allows it, and ``reopening`` replaces a kept one that is gone. ``upstream`` is one MTA connection with
its session, ``spool`` where its bodies are, ``listener`` the sockets MTAs connect to, ``service`` all of it
for one process.
"""
