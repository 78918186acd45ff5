"""The demo: a mail server, Postmill with a row of filters, sample mails, and what became of them.

Everything runs over real sockets, on loopback, without root. `stage` starts and ends it all. A room above the
test kit, whose fake MTA the embedded SMTP receiver is made of; nothing here is used by the daemon.
"""
