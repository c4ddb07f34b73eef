"""Prepares CloudTrail logs for later questions: reads new and changed log files, and writes Parquet by day.

log files -> list of log files -> records -> files of each day -> manifest

`audit.cloudtrail` reads the result. For Athena and Trino, `table_statements` has the SQL that creates tables. Imported
by `cli`.
"""
