"""Collect the facts about an organization through AWS's APIs into a folder of JSON files.

The input is a client with credentials; the output is the folder that `facts` reads. All calls are read-only and about
metadata. Imported by `cli`.
"""
