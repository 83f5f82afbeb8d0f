"""The lab's web pages: an admin page, a REST API and phone provisioning, as they look from outside."""

from lab.http.part import HttpPart

__all__ = ["HttpPart"]
