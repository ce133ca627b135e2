"""Measuring: what is noted of each prediction, and what is told of all of them."""
