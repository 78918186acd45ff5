"""``python -m postmill.cli``: the same as ``postmill``."""

from __future__ import annotations

from postmill.cli import main

if __name__ == "__main__":
    main()
