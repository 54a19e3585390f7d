"""State machines that count repetitions in thumbnails and group them into sets. No I/O, no clock."""
