"""Events: the model, their JSON Schemas, logs of them, and timelines."""
