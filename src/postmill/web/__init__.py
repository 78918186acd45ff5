"""The dashboard: what happened to mail, how the milters stand, and who may change that, in a browser.

It counts nothing and decides nothing: ``archive`` reads the history, ``daemon`` asks over the control
socket, as every command does. ``guard`` and ``visit`` stand before every page; pages are in ``pages/``, one
file each, and are whole without JavaScript. ``app`` puts it together as an ASGI application, ``serving`` puts
that behind sockets.
"""
