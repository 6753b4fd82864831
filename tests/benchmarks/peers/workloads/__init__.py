"""One workload a file: its data, its trusted result, its physical limit, and how each peer computes it."""
