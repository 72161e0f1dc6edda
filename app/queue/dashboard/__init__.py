"""What rq-dashboard shows and does, made safe for whatever stands in Redis."""
