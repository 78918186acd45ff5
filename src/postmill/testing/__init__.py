"""The public test kit: a scripted filter, a fake MTA, and the pure tables and conversations behind them.

`script` and `child` play a filter, `conversation`, `mta` and `sender` an MTA. Nothing here is used by the
daemon.
"""
