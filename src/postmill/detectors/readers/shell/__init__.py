"""Scripts for sh, followed without being run: their ``syntax``, ``words``, tests, and ``running`` them."""

from postmill.detectors.readers.shell.running import Script, Words, run_script, run_text

__all__ = ["Script", "Words", "run_script", "run_text"]
