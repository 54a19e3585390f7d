"""Sessions: from frames to events, for one subject, several subjects, or tracked people."""
