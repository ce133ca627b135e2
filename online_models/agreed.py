"""Numbers that compiled loops and the code beside them agree on.

Kernels take no constant from elsewhere: what is kept of them would outlive its change.
"""

from __future__ import annotations

ALONE = 3
"""Popularity proposes so many times as much where the encoder has nothing to read: nobody else
proposes anything then, and rules (a cap on categories) want a choice."""
ASKED = 8
"""The words of a profile whose items are looked at."""
ESTABLISHED = 3
"""The weight of events (a click has 1) from which on the encoder proposes an item: of others it has
hardly learnt the vectors, and they are half of many a catalogue. From 1 to 8 slates are as good."""
EVERYTHING = 0
"""The slot of ``Contexts`` in which all events count that have a followed value."""
MAX_EXPONENT = 60
"""Half-lives after which counts are scaled down, so that float32 holds them."""
ROUNDING = 1e-5
"""By so much of a score, and at least so much, its last bits differ in whatever order it is added
up; with some room."""
SCORE, SHORTFALL, UNTRIED = range(3)
"""Where what the catalogue tells of a candidate stands among ``feature_names.CONTENT``."""
