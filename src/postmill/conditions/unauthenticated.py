"""The condition ``unauthenticated``: mail of clients who did not log in. Its opposite is ``authenticated``.

Whether a user may send is the MTA's business; nothing here looks at a password.
"""

from __future__ import annotations

from postmill.api import Applies, Apply, Sender, Skip, condition


@condition("unauthenticated")
def unauthenticated(sender: Sender) -> Applies:
    """Ask the milter only about mail of clients who did not log in (SMTP AUTH).

    The MTA says so with the macros `auth_authen` and `auth_type`, which Postfix and Sendmail send unless
    their lists of macros were changed.
    """
    if sender.user is None:
        return Apply("the client did not log in")
    return Skip(f"the client logged in as {sender.user}" if sender.user else "the client logged in")
