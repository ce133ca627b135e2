"""Models to compare with. None is served, none is part of the model."""
