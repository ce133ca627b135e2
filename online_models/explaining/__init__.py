"""Why an item stands where it does, or why it does not; which stage of a slate is at fault."""
