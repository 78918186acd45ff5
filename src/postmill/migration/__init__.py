"""Coming from milter-manager, floor 5: its configuration language read, translated and printed.

What belongs here: from text of the predecessor to our TOML, and from our configuration to what its
``--show-config`` prints. A configuration of the predecessor is a Ruby program. Nothing of it is executed:
what declares values is understood (``lexing``, ``structure``, ``grammar``), the rest is named with its line.
Opening files and printing messages belongs to the command line.
"""
