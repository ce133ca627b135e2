"""From a ranking to a slate: hard rules, caps, diversity, freshness, pins, sponsored items."""
