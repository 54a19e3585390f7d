"""What tests and demonstrations need: rendered people with known ground truth."""
