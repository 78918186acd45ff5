"""What detectors share: readers of the files that say whether a program is started, and how.

One file for each kind of source. None of them knows a particular milter, and none raises because of what
stands in a file: what cannot be understood counts as not said.
"""
