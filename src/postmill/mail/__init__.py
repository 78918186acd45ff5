"""Floor 3, a message as a value: ordered headers, body, SMTP reply text (protocol §3.3, §3.4, §9.5).

Nothing here knows children, sessions or sockets; a place to keep a large body is handed in from outside.
"""
