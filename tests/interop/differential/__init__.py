"""The differential test: the same filters listed directly in Postfix and behind Postmill must look the same.

A `Scenario` says what filters and client do; a `Side` plays it against one arrangement and returns an
`Observation`; `compare` names what differs; `permitted` lists the few differences that one socket cannot
avoid (protocol §9.10).
"""
