"""Real Sendmail as the MTA: children directly in INPUT_MAIL_FILTER and behind Postmill."""
