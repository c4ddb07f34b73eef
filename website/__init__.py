"""Builds the site of the documentation: `python -m website` (`make site`).

The input is the Markdown of docs/, examples/ and the root of the repository, which stays readable on GitHub. This
package gives each file its place on the site, rewrites the links between the files, generates the pages of commands
and of the Python API, runs Zensical, and checks every link and anchor of the result. Imported by its tests only.
"""
