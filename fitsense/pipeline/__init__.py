"""Analysis pipeline: from sources through sessions to events."""
