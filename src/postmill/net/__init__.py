"""Floor 5, the only room with sockets and the event loop: it carries out what the brain commands.

``stream`` is a non-blocking socket, ``children`` the configured filters and their links, ``upstream`` one MTA
connection with its session, ``listener`` the sockets MTAs connect to, ``service`` all of it for one process.
"""
