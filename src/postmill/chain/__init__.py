"""The manager's brain: N children as one filter, written as generators over values.

Nothing in here knows a socket, a clock or a log. ``Session`` takes the MTA's packets and yields the
commands of ``steps``; the shell (``postmill.net``) carries them out and sends the outcomes back in.
"""
