"""What a month of SLA of a large platform costs: time and disk."""
