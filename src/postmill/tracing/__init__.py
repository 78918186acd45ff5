"""Traces: each message of the history as a trace of OpenTelemetry, with a span for each child and stage.

``timing`` says when each span was, as far as a record tells; ``spans`` makes a record into spans;
``following`` sends what comes into a history to a collector, and remembers how far it got.
"""
