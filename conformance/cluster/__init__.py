"""Scenarios on clusters of real processes: gRPC servers, a chief, workers, and kills among them."""
