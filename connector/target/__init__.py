"""Target's side: the batch body, its answer, the call budget, delivery."""
