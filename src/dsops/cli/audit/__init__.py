"""`dsops audit` and its family: the trail, its receivers, reports over CloudTrail's logs, and SQL."""
