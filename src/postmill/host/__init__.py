"""What Postmill does to, and reads of, the mail host it runs on: the MTA's configuration, files, accounts.

``postfix`` and ``sendmail`` read an MTA's configuration as a value. The rest are commands that work on such
values: ``setup`` puts Postmill in as the one milter. What decides there is pure functions over texts and
values; the shells around them run ``postconf``, m4 and write files. Printing belongs in ``cli``.
"""
