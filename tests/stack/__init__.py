"""The real mail programs that the interop tests run: install.sh and one component per file."""
