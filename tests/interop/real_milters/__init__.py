"""Real Postfix, real milters: the same six in `smtpd_milters` and behind one Postmill."""
