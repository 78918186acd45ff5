"""Traces: each message of the history as a trace of OpenTelemetry, with a span for each child and stage.

``timing`` says when each span was, as far as a record tells; ``spans`` makes records into a request to a
collector; ``collector`` sends it; ``following`` goes through a history, and remembers how far it got.
"""
