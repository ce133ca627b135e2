"""Where events come from: files, and the embedded log. All resume at a position."""
