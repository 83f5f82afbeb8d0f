"""Probes that act as a tenant's phone: the flows, the engines that run them, their evidence."""
