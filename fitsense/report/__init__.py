"""Reports of sessions, made of their event logs."""
