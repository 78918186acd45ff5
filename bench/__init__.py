"""Benchmarks: how much CPU, time and memory a session costs, straight to the milters and through Postmill."""
