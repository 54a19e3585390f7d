"""Pure state machines from thumbnails to repetitions and sets."""
