"""The learner: bytewax dataflows that turn the event log into model state."""
