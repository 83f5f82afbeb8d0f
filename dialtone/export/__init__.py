"""What is known, as others read it: the Prometheus exposition."""
