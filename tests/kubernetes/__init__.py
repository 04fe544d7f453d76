"""What deploy/kubernetes promises, on a cluster that KUBECTL leads to."""
