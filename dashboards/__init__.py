"""Grafana dashboards as code: built from the metric catalogue, their JSON committed."""
