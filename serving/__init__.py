"""The scorer: serves recommendations over gRPC from the state the learner publishes."""
