"""Pure state machines from timed frames to windows of clips."""
