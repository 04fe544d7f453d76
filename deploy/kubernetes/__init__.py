"""Manifests for Kubernetes, and the part of them that is generated."""
