"""One record, three views: metrics, the log, and the endpoint that shows them."""
