"""Sets, repetitions and muscle load as tables and plots."""
