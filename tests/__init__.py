"""The tests of Postmill; a package, so that the command lines below it run with ``python -m``."""
