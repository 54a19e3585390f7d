"""From a source, through a session, to events."""
