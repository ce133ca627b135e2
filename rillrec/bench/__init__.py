"""Measuring Rillrec on this machine, against a broker and a Redis of its own."""
