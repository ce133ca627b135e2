"""Tests of the dataflow and its steps."""
