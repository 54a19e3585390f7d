"""Delivery of events to receivers elsewhere."""
