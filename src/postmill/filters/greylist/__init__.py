"""The filter ``greylist``: what milter-greylist 4.6 does, with its greylist.conf and its state in a store.

``app`` has the handlers. Below it are functions over values: ``parsing`` reads a configuration, ``rules``
judge, ``tuples`` wait, ``texts`` are what people see, ``dump`` is milter-greylist's file of tuples.
"""

from postmill.filters.greylist.app import app

__all__ = ["app"]
