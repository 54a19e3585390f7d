"""Internal helpers. Nothing here is API."""
