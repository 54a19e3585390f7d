"""State machines that turn timestamped frames into windows of clips. No I/O, no clock."""
