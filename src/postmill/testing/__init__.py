"""The public test kit: both ends of a milter connection, scripted.

A filter: `script` decides, `child` serves, `seen` remembers; `words`, `wishes` and `script_file` read what
people write. An MTA: `plan` says what, `conversation` and `macros` how; `mta` (blocking) and `sender`
(event loop) carry it out, `load` does so many times; `outcome` and `result` hold what came of it, `showing`
and `trace` tell it. Conditions: `nouns` makes mail, `conditions` asks one about it. Nothing here is used by
the daemon.
"""
