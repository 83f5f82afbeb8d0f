"""The flow `http`: admin pages, REST APIs and phone provisioning, asked by the service itself."""
