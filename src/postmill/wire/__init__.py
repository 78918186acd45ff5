"""Floor 2, the milter protocol: bytes to values and back, and who may say what when (protocol §1 to §6).

No I/O, no clock, no log: every module turns values into values and raises one of the two protocol errors.
"""
