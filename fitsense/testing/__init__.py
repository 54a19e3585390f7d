"""The conformance kit of plugins: contracts, and a runner for them."""
