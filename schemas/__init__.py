"""Contracts, without any input or output: events, the model's log, Redis keys, settings, errors."""
