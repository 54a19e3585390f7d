"""State machine that turns predictions into exercise segments and muscle activations. No I/O, no clock."""
