"""What Postmill reads of, and does to, the mail host it runs on: so far the MTA's configuration.

``postfix`` and ``sendmail`` read an MTA's configuration as a value. ``setup_postfix`` and ``setup_sendmail``
decide how Postmill becomes the one milter: pure functions over such values and texts. ``prepare`` and
``backup`` are the shell around them. Printing and asking belong in ``cli``.
"""
