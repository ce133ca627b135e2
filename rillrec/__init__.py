"""The command line: runs the learner, the scorer and the demo."""
