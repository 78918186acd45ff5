"""Graphs of what was counted: RRDtool databases, PNG pictures and pages without a script.

``series`` says which numbers of a tally are kept, ``databases`` keeps them, ``updating`` brings them up
to the history, ``spans`` puts together what history and imported logs have counted. ``panels`` says what is
drawn, ``drawing`` draws it, ``pages`` shows it. ``log_lines`` and the readers beside it take counts out of
mail logs, ``importing`` keeps those.

Nothing is counted here that the history has counted: the databases can be made anew from it at any time.
"""
