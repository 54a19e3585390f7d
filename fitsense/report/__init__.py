"""Reports of sessions from their event logs."""
