"""Learning and recommending: pure, without engine, clock, network or files."""
