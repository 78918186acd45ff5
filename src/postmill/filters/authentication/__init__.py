"""The filter ``authentication``: SPF, DKIM, ARC and DMARC of incoming mail, in one Authentication-Results.

``app`` has the handlers; the rest is one check or one part of the header each, as functions over values.
Signing is the filter ``dkim-sign``.
"""

from postmill.filters.authentication.app import app

__all__ = ["app"]
